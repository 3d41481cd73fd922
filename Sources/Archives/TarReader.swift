import Bytes

/// A file of a tar archive.
package struct TarFile: Equatable, Sendable {
  package var path: String
  /// Seconds since 1970.
  package var modifiedAt: Int64
  package var bytes: [UInt8]
  /// Where its header stands in the archive.
  package var offset: Int64
}

/// Reads a tar archive as it comes, a file at a time: ustar, with the long names and large numbers of pax and GNU.
///
/// Only files that are wanted are held, and none is longer than the limits allow. A damaged header is passed over, block by block, up to the
/// next good one.
package struct TarReader {
  /// What the archive brought.
  package enum Step: Equatable {
    case needsMore
    case file(TarFile)
    case defect(ArchiveDefect)
    case end
  }

  /// What a header says.
  private struct Header {
    var path: String
    var size: Int64
    var modifiedAt: Int64
    var type: UInt8
  }

  /// What an extended header says of the file that follows.
  private struct Extension {
    var path: String?
    var modifiedAt: Int64?
    var size: Int64?
    /// Where the first header of the file stands.
    var offset: Int64
  }

  private enum State {
    case header
    /// The content of a file that is wanted, or of an extended header.
    case content(Header)
    /// So many bytes of no interest are to come.
    case skipping(Int64)
  }

  private static let block = 512
  private let limits: ArchiveLimits
  private var buffer: ArchiveBuffer
  private var state = State.header
  private var ahead: Extension?
  private var isDamaged = false
  /// Whether zeros came, which end an archive, or it is told that they did not.
  private var hasEnded = false
  private let start: Int64
  /// Whether the content of a file is wanted.
  private let wants: @Sendable (String) -> Bool
  /// From where on the archive has to be read again to get what was not told yet.
  package private(set) var position: Int64

  /// A reader from the byte `offset` of an archive on, where a header stands.
  package init(
    from offset: Int64,
    _ limits: ArchiveLimits,
    wanting wants: @escaping @Sendable (String) -> Bool
  ) {
    self.limits = limits
    self.wants = wants
    buffer = ArchiveBuffer(base: offset)
    position = offset
    start = offset
  }

  /// Takes bytes.
  package mutating func receive(_ bytes: [UInt8]) { _ = buffer.receive(bytes) }

  /// Nothing follows.
  package mutating func finish() { buffer.isFinished = true }

  /// What comes next.
  package mutating func next() -> Step {
    while true {
      switch state {
      case .skipping(let count):
        let skipped = min(count, Int64(buffer.available))
        buffer.finish(upTo: buffer.start + Int(skipped))
        guard skipped == count else {
          state = .skipping(count - skipped)
          return buffer.isFinished ? end() : .needsMore
        }
        state = .header
        if ahead == nil { position = buffer.position }
      case .header:
        if let step = readHeader() { return step }
      case .content(let header):
        if let step = readContent(header) { return step }
      }
    }
  }

  /// Reads the next header; nil where there is more to be read.
  private mutating func readHeader() -> Step? {
    guard buffer.available >= Self.block else {
      guard buffer.isFinished else { return .needsMore }
      guard buffer.available > 0 else { return end() }
      let isEmpty = buffer.bytes[buffer.start...].allSatisfy { $0 == 0 }
      let offset = buffer.position
      buffer.finish(upTo: buffer.bytes.count)
      hasEnded = true
      return isEmpty ? .end : .defect(ArchiveDefect(.truncated, at: offset))
    }
    let offset = buffer.position
    let place = buffer.start
    let header = Self.header(buffer.bytes.span.extracting(place..<place + Self.block))
    buffer.finish(upTo: place + Self.block)
    switch header {
    case .zeros:
      hasEnded = true
      position = buffer.position
      return nil
    case .damaged:
      defer { isDamaged = true }
      ahead = nil
      position = buffer.position
      return isDamaged ? nil : .defect(ArchiveDefect(.damagedHeader, at: offset))
    case .good(let header): return take(header, at: offset)
    }
  }

  /// Nothing is left: that is the end if the archive says so, by a block of zeros at least (POSIX pax, ustar interchange format).
  ///
  /// Whoever goes on at a place where nothing follows cannot know what stands before it.
  private mutating func end() -> Step {
    guard !hasEnded, start == 0 || buffer.position > start else { return .end }
    hasEnded = true
    return .defect(ArchiveDefect(.noEndMark, at: buffer.position))
  }

  private mutating func take(_ found: Header, at offset: Int64) -> Step? {
    isDamaged = false
    hasEnded = false
    var header = found
    let isExtension = [0x78, 0x4C].contains(header.type)  // x, L
    if !isExtension, let ahead {
      header.path = ahead.path ?? header.path
      header.modifiedAt = ahead.modifiedAt ?? header.modifiedAt
      header.size = ahead.size ?? header.size
    }
    let start = ahead?.offset ?? offset
    if isExtension {
      if ahead == nil { ahead = Extension(offset: offset) }
      if header.size <= Int64(limits.nameBytes) {
        state = .content(header)
      } else {
        state = .skipping(Self.padded(header.size))
      }
      return nil
    }
    let isFile = header.type == 0x30 || header.type == 0
    guard isFile, wants(header.path) else {
      ahead = nil
      // Links have no content, whatever they say.
      let isLink = header.type == 0x31 || header.type == 0x32
      state = .skipping(isLink ? 0 : Self.padded(header.size))
      return isLink && wants(header.path) ? .defect(ArchiveDefect(.link, at: start)) : nil
    }
    guard header.size <= Int64(limits.messageBytes) else {
      ahead = nil
      state = .skipping(Self.padded(header.size))
      return .defect(ArchiveDefect(.messageTooLong, at: start))
    }
    ahead = Extension(offset: start)
    state = .content(header)
    return nil
  }

  private static func padded(_ size: Int64) -> Int64 {
    let (sum, overflowed) = size.addingReportingOverflow(Int64(block) - 1)
    return overflowed ? .max : sum / Int64(block) * Int64(block)
  }

  /// Reads the content of a file or of an extended header; nil where there is more to be read.
  private mutating func readContent(_ header: Header) -> Step? {
    let size = Int(header.size)
    let padded = Int(Self.padded(header.size))
    guard buffer.available >= padded || buffer.isFinished && buffer.available >= size else {
      guard buffer.isFinished else { return .needsMore }
      buffer.finish(upTo: buffer.bytes.count)
      state = .header
      hasEnded = true
      return .defect(ArchiveDefect(.truncated, at: ahead?.offset ?? buffer.position))
    }
    let bytes = Array(buffer.bytes[buffer.start..<buffer.start + size])
    buffer.finish(upTo: buffer.start + padded)
    state = .header
    switch header.type {
    case 0x4C: ahead?.path = Self.text(bytes.span)
    case 0x78: readPax(bytes.span)
    default:
      let offset = ahead?.offset ?? 0
      ahead = nil
      position = buffer.position
      return .file(
        TarFile(path: header.path, modifiedAt: header.modifiedAt, bytes: bytes, offset: offset)
      )
    }
    return nil
  }

  /// Records of a pax header: `LENGTH KEY=VALUE\n`, the length that of the record.
  private mutating func readPax(_ bytes: Span<UInt8>) {
    var reader = ByteReader(bytes)
    while !reader.isAtEnd {
      let start = reader.position
      guard let length = reader.number().flatMap(Int.init(exactly:)), reader.consume(.space),
        length <= bytes.count - start, start + length - 1 > reader.position
      else { return }
      let record = bytes.extracting(reader.position..<start + length - 1)
      var inner = ByteReader(record)
      let key = inner.slice(inner.take(upTo: 0x3D))
      _ = inner.consume(0x3D)
      let value = record.extracting(inner.position..<record.count)
      if key.equalsIgnoringCase("path") { ahead?.path = Self.text(value) }
      if key.equalsIgnoringCase("mtime") { ahead?.modifiedAt = Self.seconds(value) }
      if key.equalsIgnoringCase("size") {
        var number = ByteReader(value)
        ahead?.size = number.number().flatMap(Int64.init(exactly:))
      }
      reader.seek(to: start + length)
    }
  }

  /// Whole seconds of `-12.5`.
  private static func seconds(_ text: Span<UInt8>) -> Int64? {
    var reader = ByteReader(text)
    let isNegative = reader.consume(0x2D)
    guard let number = reader.number().flatMap(Int64.init(exactly:)) else { return nil }
    return isNegative ? -number : number
  }
}

extension TarReader {
  private enum Finding {
    case zeros
    case damaged
    case good(Header)
  }

  /// What a block of 512 bytes says as a header.
  private static func header(_ bytes: Span<UInt8>) -> Finding {
    var sum: UInt64 = 0
    for index in 0..<block {
      sum += UInt64((148..<156).contains(index) ? .space : bytes[index])
    }
    if sum == 8 * 32 { return .zeros }
    guard let told = number(bytes.extracting(148..<156)), told == Int64(sum),
      let size = number(bytes.extracting(124..<136)), size >= 0
    else { return .damaged }
    var path = text(bytes.extracting(0..<100))
    // Only POSIX has a prefix; GNU keeps something else there.
    if bytes.extracting(257..<263).elementsEqual([0x75, 0x73, 0x74, 0x61, 0x72, 0].span) {
      let prefix = text(bytes.extracting(345..<500))
      if !prefix.isEmpty { path = "\(prefix)/\(path)" }
    }
    return .good(
      Header(
        path: path,
        size: size,
        modifiedAt: number(bytes.extracting(136..<148)) ?? 0,
        type: bytes[156]
      )
    )
  }

  /// Up to the first NUL.
  private static func text(_ bytes: Span<UInt8>) -> String {
    String(utf8: bytes.extracting(0..<(bytes.firstIndex(of: 0) ?? bytes.count)))
  }

  /// Octal digits, or where the first bit is set a number in two's complement.
  private static func number(_ bytes: Span<UInt8>) -> Int64? {
    if bytes[0] & 0x80 != 0 {
      var value: Int64 = bytes[0] & 0x40 == 0 ? 0 : -1
      for index in 1..<bytes.count {
        // What is wider than 64 bits is no size and no time.
        guard value >= -0x7F_FFFF_FFFF_FFFF, value <= 0x7F_FFFF_FFFF_FFFF else { return nil }
        value = value << 8 | Int64(bytes[index])
      }
      return value
    }
    var value: Int64 = 0
    var hasDigit = false
    for index in 0..<bytes.count {
      switch bytes[index] {
      case 0x30...0x37:
        hasDigit = true
        value = value << 3 | Int64(bytes[index] - 0x30)
      case .space, 0: if hasDigit { return value }
      default: return nil
      }
    }
    return hasDigit ? value : 0
  }
}
