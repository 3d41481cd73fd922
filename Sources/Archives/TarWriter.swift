import Bytes

/// Writes a tar archive (POSIX ustar; names and times that do not fit there as pax records).
package enum TarWriter {
  private static let block = 512

  /// Appends a file, its header included.
  package static func write(
    _ path: String,
    _ content: Span<UInt8>,
    modifiedAt: Int64,
    to output: inout [UInt8]
  ) {
    let fits = path.utf8.count <= 100 && (0..<(1 << 33)).contains(modifiedAt)
    if !fits {
      var records: [UInt8] = []
      append(record: "path", path, to: &records)
      append(record: "mtime", String(modifiedAt), to: &records)
      appendHeader("././@PaxHeader", size: records.count, time: 0, type: 0x78, to: &output)
      append(padded: records.span, to: &output)
    }
    let time = min(max(modifiedAt, 0), 1 << 33 - 1)
    appendHeader(path, size: content.count, time: time, type: 0x30, to: &output)
    append(padded: content, to: &output)
  }

  /// Appends a folder.
  package static func writeFolder(_ path: String, to output: inout [UInt8]) {
    appendHeader("\(path)/", size: 0, time: 0, type: 0x35, to: &output)
  }

  /// Appends the end of the archive.
  package static func finish(_ output: inout [UInt8]) {
    output.append(contentsOf: repeatElement(0, count: 2 * block))
  }

  private static func append(padded content: Span<UInt8>, to output: inout [UInt8]) {
    output.append(content)
    output.append(contentsOf: repeatElement(0, count: (block - content.count % block) % block))
  }

  /// The length counts itself.
  private static func append(record key: String, _ value: String, to output: inout [UInt8]) {
    let rest = 1 + key.utf8.count + 1 + value.utf8.count + 1
    var length = rest + 1
    while length != rest + String(length).utf8.count { length = rest + String(length).utf8.count }
    output.append(text: "\(length) \(key)=\(value)\n")
  }

  private static func appendHeader(
    _ path: String,
    size: Int,
    time: Int64,
    type: UInt8,
    to output: inout [UInt8]
  ) {
    var header = [UInt8](repeating: 0, count: block)
    func put(_ bytes: some Sequence<UInt8>, at place: Int) {
      for (index, byte) in bytes.enumerated() { header[place + index] = byte }
    }
    func octal(_ number: Int64, _ digits: Int) -> String.UTF8View {
      let text = String(number, radix: 8)
      return (String(repeating: "0", count: max(0, digits - text.utf8.count)) + text).utf8
    }
    put(path.utf8.prefix(100), at: 0)
    put(octal(type == 0x35 ? 0o700 : 0o600, 7), at: 100)
    put(octal(0, 7), at: 108)
    put(octal(0, 7), at: 116)
    put(octal(Int64(size), 11).prefix(11), at: 124)
    put(octal(time, 11), at: 136)
    put(repeatElement(.space, count: 8), at: 148)
    header[156] = type
    put("ustar\u{0}00".utf8, at: 257)
    let sum = header.reduce(Int64(0)) { $0 + Int64($1) }
    put(octal(sum, 6), at: 148)
    header[154] = 0
    output.append(contentsOf: header)
  }
}
