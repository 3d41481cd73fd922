/// Memory that values are written into in PostgreSQL's binary form, big-endian throughout.
package struct PostgresBuffer: Sendable {
  /// What was written.
  package private(set) var bytes: [UInt8] = []

  /// An empty buffer.
  package init() {}

  /// How many bytes were written.
  package var count: Int { bytes.count }

  /// Makes room for `count` bytes more.
  package mutating func reserve(_ count: Int) { bytes.reserveCapacity(bytes.count + count) }

  /// Appends an integer, most significant byte first.
  package mutating func append<T: FixedWidthInteger>(_ value: T) {
    unsafe withUnsafeBytes(of: value.bigEndian) { unsafe bytes.append(contentsOf: $0) }
  }

  /// Appends bytes as they are.
  package mutating func append(_ value: [UInt8]) { bytes.append(contentsOf: value) }

  /// Appends borrowed bytes as they are.
  package mutating func append(_ value: Span<UInt8>) {
    unsafe value.withUnsafeBufferPointer { buffer in unsafe bytes.append(contentsOf: buffer) }
  }

  /// Appends text as UTF-8.
  package mutating func append(_ value: String) { bytes.append(contentsOf: value.utf8) }

  /// Appends what `body` writes, preceded by its length as four bytes.
  package mutating func appendWithLength(_ body: (inout PostgresBuffer) -> Void) {
    let start = bytes.count
    append(Int32(0))
    body(&self)
    setLength(at: start)
  }

  /// Appends the bytes that `body` appends, preceded by their count as four bytes.
  mutating func appendWithLength(_ body: (inout [UInt8]) -> Void) {
    let start = bytes.count
    append(Int32(0))
    body(&bytes)
    setLength(at: start)
  }

  private mutating func setLength(at start: Int) {
    let length = UInt32(truncatingIfNeeded: bytes.count - start - 4)
    for index in 0..<4 {
      bytes[start + index] = UInt8(truncatingIfNeeded: length >> UInt32(24 - 8 * index))
    }
  }

  /// Forgets what was written and keeps the memory.
  mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }
}
