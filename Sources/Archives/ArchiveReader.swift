import Bytes

/// From where on an archive has to be read to go on where a reader stopped.
package struct ArchivePlace: Sendable, Equatable {
  /// The byte of the archive.
  package var offset: Int64 = 0
  /// How many bytes of what it inflates to from there on were read already.
  package var inflated: Int64 = 0
  /// The names of the keywords that a Maildir's letters stand for, by folder.
  package var keywords: [String: [Int: String]] = [:]

  package init() {}
}

/// Reads an archive as it comes: bytes in, messages and defects out.
///
///     var reader = ArchiveReader(.mbox, from: ArchivePlace())
///     reader.receive(piece)
///     while let event = reader.next() { … }   // nil: more is needed
///     reader.finish()
///     while let event = reader.next() { … }   // nil: that was all
///
/// Any bytes will do: what is no archive is reported with its place. No more is held than one message. An archive that begins
/// as gzip does is inflated, as is a batch after `#! cunbatch`, `#! gunbatch` or `#! zunbatch`.
package struct ArchiveReader {
  private enum Input {
    /// What was received while it is not known yet.
    case unknown([UInt8])
    case plain
    case deflated(Inflater)
    /// Nothing more can be read.
    case broken
  }

  /// How much is inflated in one go.
  private static let piece = 64 << 10
  /// How much that is compressed is taken in one go; deflate makes at most 1,032 bytes of one.
  private static let slice = 1 << 10
  private let format: ArchiveFormat
  private let limits: ArchiveLimits
  private let start: ArchivePlace
  private var reader: any FormatReader
  private var input: Input
  /// How many inflated bytes are still to be passed over.
  private var skipped: Int64 = 0
  private var isDeflated = false
  private var isFinished = false
  /// Whether what follows could not be read.
  private var hasFailed = false
  private var defects: [ArchiveDefect] = []

  /// A reader that goes on at `place`, by default at the beginning.
  package init(
    _ format: ArchiveFormat,
    from place: ArchivePlace = ArchivePlace(),
    _ limits: ArchiveLimits = ArchiveLimits()
  ) {
    self.format = format
    self.limits = limits
    start = place
    let isResumed = place.inflated > 0
    let offset = isResumed ? place.inflated : place.offset
    reader = Self.reader(format, from: offset, place, limits)
    input = place.offset > 0 ? .plain : .unknown([])
    skipped = place.inflated
  }

  private static func reader(
    _ format: ArchiveFormat,
    from offset: Int64,
    _ place: ArchivePlace,
    _ limits: ArchiveLimits
  ) -> any FormatReader {
    switch format {
    case .mbox: MboxReader(from: offset, quoting: .anyDepth, limits)
    case .mboxo: MboxReader(from: offset, quoting: .single, limits)
    case .maildir: MaildirReader(from: offset, context: place.keywords, limits)
    case .rnews: RnewsReader(from: offset, limits)
    }
  }

  /// From where on it has to be read again to get what was not told yet.
  package var place: ArchivePlace {
    var place = ArchivePlace()
    place.keywords = reader.keywords
    let position = reader.position
    if isDeflated { place.inflated = position } else { place.offset = position }
    return place
  }

  /// The parts in which bytes are taken, so that no part inflates to much more than a megabyte.
  package func slices(of bytes: [UInt8]) -> [ArraySlice<UInt8>] {
    switch input {
    case .plain, .broken: return [bytes[...]]
    case .unknown, .deflated: break
    }
    return stride(from: 0, to: bytes.count, by: Self.slice).map { start in
      bytes[start..<min(start + Self.slice, bytes.count)]
    }
  }

  /// Takes bytes.
  package mutating func receive(_ bytes: [UInt8]) {
    switch input {
    case .unknown(let head): decide(head + bytes)
    case .plain: pass(bytes)
    case .deflated(let inflater): inflater.receive(bytes)
    case .broken: break
    }
  }

  /// Nothing follows: what is there is all.
  package mutating func finish() {
    isFinished = true
    if case .unknown(let head) = input { decide(head) }
    if case .deflated = input { return }
    reader.finish()
  }

  /// The next event; nil where more is needed, or after `finish` at the end.
  package mutating func next() -> ArchiveEvent? {
    while true {
      if !defects.isEmpty { return .defect(defects.removeFirst()) }
      if let event = reader.next() {
        // The end of what cannot be read is not known.
        if hasFailed, case .defect(let defect) = event, defect.kind == .noEndMark { continue }
        return event
      }
      guard case .deflated(let inflater) = input, inflate(inflater) else { return nil }
    }
  }

  // MARK: - Compression

  /// Finds out how the archive is compressed, by what it begins with.
  private mutating func decide(_ head: [UInt8]) {
    var rest = head[...]
    if format == .rnews, head.starts(with: "#! ".utf8) {
      // Only the first line tells whether it is a batch of articles or a compressed one.
      guard let lf = head.firstIndex(of: .lf) else {
        if !isFinished, head.count < limits.separatorBytes { return input = .unknown(head) }
        return begin(plain: head)
      }
      guard !head.starts(with: "#! rnews".utf8) else { return begin(plain: head) }
      rest = head[(lf + 1)...]
      guard rest.count >= 2 || isFinished else { return input = .unknown(head) }
      guard rest.starts(with: Self.gzip) else { return fail(.unknownCompression, at: 0) }
    } else if head.count < 3, !isFinished {
      return input = .unknown(head)
    }
    switch true {
    case rest.starts(with: Self.gzip): begin(deflated: Array(rest))
    case rest.starts(with: [0x1F, 0x9D]), rest.starts(with: [0x42, 0x5A, 0x68]),
      rest.starts(with: [0xFD, 0x37, 0x7A]), rest.starts(with: [0x28, 0xB5, 0x2F]):
      fail(.unknownCompression, at: 0)  // compress, bzip2, xz, zstd
    default: begin(plain: head)
    }
  }

  private static let gzip: [UInt8] = [0x1F, 0x8B]

  private mutating func begin(plain head: [UInt8]) {
    input = .plain
    pass(head)
  }

  private mutating func begin(deflated rest: [UInt8]) {
    isDeflated = true
    do throws(CompressionError) {
      let inflater = try Inflater(.gzip)
      inflater.receive(rest)
      input = .deflated(inflater)
    } catch {
      fail(.damagedCompression, at: 0)
    }
  }

  private mutating func fail(_ kind: ArchiveDefect.Kind, at offset: Int64) {
    input = .broken
    hasFailed = true
    defects.append(ArchiveDefect(kind, at: offset))
    reader.finish()
  }

  /// Hands the reader what it has not read before.
  private mutating func pass(_ bytes: [UInt8]) {
    guard skipped > 0 else { return reader.receive(bytes) }
    let count = min(Int64(bytes.count), skipped)
    skipped -= count
    if count < bytes.count { reader.receive(Array(bytes[Int(count)...])) }
  }

  /// Inflates some more; false where that waits for bytes, or was all.
  private mutating func inflate(_ inflater: Inflater) -> Bool {
    do throws(CompressionError) {
      let bytes = try inflater.next(upTo: Self.piece)
      if !bytes.isEmpty {
        pass(bytes)
        return true
      }
      if inflater.isAtEnd { return try goOn(after: inflater) }
      guard isFinished else { return false }
      fail(.damagedCompression, at: reader.position)
      return true
    } catch {
      fail(.damagedCompression, at: reader.position)
      return true
    }
  }

  /// Goes on with the next member, if one follows; what else follows is padding.
  private mutating func goOn(after inflater: Inflater) throws(CompressionError) -> Bool {
    let rest = inflater.takeUnread()
    guard rest.count >= 2 || isFinished else {
      let next = try Inflater(.gzip)
      guard rest.isEmpty else {
        next.receive(rest)
        input = .deflated(next)
        return false
      }
      return false
    }
    if rest.starts(with: Self.gzip) {
      begin(deflated: rest)
      return true
    }
    input = .broken
    reader.finish()
    return true
  }
}

/// A reader of one format, over bytes that are not compressed.
protocol FormatReader: Sendable {
  /// From where on the archive has to be read again to get what was not told yet.
  var position: Int64 { get }
  /// The names of a Maildir's keywords, by folder and number.
  var keywords: [String: [Int: String]] { get }
  mutating func receive(_ bytes: [UInt8])
  /// Nothing follows.
  mutating func finish()
  /// The next event; nil where more is needed, or at the end.
  mutating func next() -> ArchiveEvent?
}

extension FormatReader {
  var keywords: [String: [Int: String]] { [:] }
}
