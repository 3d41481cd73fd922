import Bytes

/// The boundaries of a message, none of which occurs in its content.
///
/// Each begins with `=_`, which neither base64 nor quoted-printable can produce (RFC 2045 §6.7), so that
/// only content written as it is must be searched.
struct Boundaries {
  private let prefix: String

  init(seed: [UInt8], avoiding tree: PartTree) {
    let digits = seed.prefix(16).flatMap { byte -> [UInt8] in
      var escape: [UInt8] = []
      escape.appendEscape(0, byte)
      return Array(escape.dropFirst())
    }
    let base = "=_" + String(decoding: digits, as: UTF8.self)
    var attempt = 0
    var prefix = base
    while tree.contains(Array(prefix.utf8)) {
      attempt += 1
      prefix = "\(base).\(attempt)"
    }
    self.prefix = prefix
  }

  /// The boundary of the `number`th multipart.
  func boundary(_ number: Int) -> String { "\(prefix)_\(number)" }
}

/// Writes a tree of entities, large content piece by piece.
struct PartWriter {
  /// How much content is encoded at once: 1024 lines.
  private static let pieceBytes = 57 * 1024

  private let boundaries: Boundaries
  private var multiparts = 0

  init(boundaries: Boundaries) {
    self.boundaries = boundaries
  }

  /// Writes the message's own entity: its fields end the header, and its last line has an end.
  mutating func write(_ part: PartTree, to sink: ([UInt8]) -> Void) {
    write(entity: part, to: sink)
    if case .leaf(_, let content, let encoding) = part, encoding != .base64,
      !(content.isEmpty || content.last == .lf)
    {
      sink(Array("\r\n".utf8))
    }
  }

  private mutating func write(entity: PartTree, to sink: ([UInt8]) -> Void) {
    switch entity {
    case .leaf(let header, let content, let encoding):
      sink(header + Array("\r\n".utf8))
      Self.write(content, encoding, to: sink)
    case .multipart(let subtype, let parameters, let parts):
      multiparts += 1
      let boundary = boundaries.boundary(multiparts)
      var header: [UInt8] = []
      var line = HeaderLine("Content-Type")
      line.append(token: "multipart/\(subtype)")
      line.append(parameters + [MIMEParameter("boundary", boundary)])
      line.end(into: &header)
      sink(header)
      for part in parts {
        sink(Array("\r\n--\(boundary)\r\n".utf8))
        write(entity: part, to: sink)
      }
      sink(Array("\r\n--\(boundary)--\r\n".utf8))
    }
  }

  private static func write(
    _ content: [UInt8],
    _ encoding: TransferEncoding,
    to sink: ([UInt8]) -> Void
  ) {
    switch encoding {
    case .quotedPrintable: sink(QuotedPrintableText.encode(content))
    case .base64:
      var encoder = Base64LineEncoder()
      for start in stride(from: 0, to: content.count, by: pieceBytes) {
        var piece: [UInt8] = []
        let end = min(start + pieceBytes, content.count)
        encoder.encode(content.span.extracting(start..<end), into: &piece)
        if end == content.count { encoder.finish(into: &piece) }
        sink(piece)
      }
    default: sink(content)
    }
  }
}
