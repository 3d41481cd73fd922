import Bytes

/// The fields that we write before a message where its format has no place for what we know of it.
///
///     X-Restante-Archive: fields=2; form=lf; received=1764125222
///     Status: RO
///     X-Keywords: work
///
/// Other programs read the status fields that they know. Our reader takes exactly these lines off again, so that a message gets back
/// every byte, whatever fields it has of its own. `form=lf` says that each line end of the message was CRLF, its last
/// bytes too, and is LF here; `form=raw` that the bytes stand as they were and one LF follows them.
struct Stamp {
  /// How the bytes of the message stand in the archive.
  enum Form {
    case lf, raw
  }

  var form: Form
  var keywords: [String]
  var receivedAt: Int64?
  /// How many bytes the fields have.
  private(set) var length = 0

  private static let name: StaticString = "X-Restante-Archive: fields="

  static let nameLength = name.utf8CodeUnitCount

  /// Whether `bytes`, at least `nameLength` of them, begin a stamp.
  static func begins(_ bytes: Span<UInt8>) -> Bool {
    var reader = ByteReader(bytes)
    return reader.consume(name)
  }

  /// What is to be written before `message`.
  init(of message: ArchivedMessage) {
    form = LineForm.isCanonical(message.raw.span) ? .lf : .raw
    keywords = message.keywords
    receivedAt = message.receivedAt
  }

  /// What `bytes` begin with; nil where it is no stamp.
  init?(_ bytes: Span<UInt8>, _ limits: ArchiveLimits) {
    var reader = ByteReader(bytes)
    guard reader.consume(Self.name), let count = reader.number(), count < 4,
      reader.consume("; form=")
    else { return nil }
    if reader.consume("lf") {
      form = .lf
    } else if reader.consume("raw") {
      form = .raw
    } else {
      return nil
    }
    if reader.consume("; received=") {
      let isNegative = reader.consume(0x2D)
      guard let number = reader.number().flatMap({ Int64(exactly: $0) }) else { return nil }
      receivedAt = isNegative ? -number : number
    }
    guard reader.consume(.lf) else { return nil }
    var fields = StatusFields(limits)
    for _ in 0..<count {
      let line = reader.slice(reader.take(upTo: .lf))
      var inner = ByteReader(line)
      let name = inner.slice(inner.take(upTo: 0x3A))
      guard reader.consume(.lf), inner.consume(0x3A),
        fields.take(name, line.extracting(inner.position..<line.count))
      else { return nil }
    }
    keywords = fields.keywords.sorted()
    length = reader.position
  }

  private static let letters: [(keyword: String, letter: UInt8)] = [
    ("$answered", 0x41), ("$flagged", 0x46), ("$draft", 0x54),
  ]

  /// Appends the fields, each line ended by LF.
  func write(to output: inout [UInt8]) {
    let letters = Self.letters.filter { keywords.contains($0.keyword) }.map(\.letter)
    let words = keywords.filter { word in
      word != "$seen" && !Self.letters.contains { $0.keyword == word }
    }
    output.append(Self.name)
    output.append(decimal: 1 + (letters.isEmpty ? 0 : 1) + (words.isEmpty ? 0 : 1))
    output.append(form == .lf ? "; form=lf" : "; form=raw")
    if let receivedAt {
      output.append("; received=")
      output.append(decimal: receivedAt)
    }
    output.append(keywords.contains("$seen") ? "\nStatus: RO\n" : "\nStatus: O\n")
    if !letters.isEmpty {
      output.append("X-Status: ")
      output.append(contentsOf: letters)
      output.append(.lf)
    }
    if !words.isEmpty {
      output.append("X-Keywords:")
      for word in words {
        output.append(.space)
        output.append(text: word)
      }
      output.append(.lf)
    }
  }
}

/// Line ends of whole messages.
enum LineForm {
  /// Whether each CR and each LF stands in a CRLF, and the last bytes are one.
  static func isCanonical(_ bytes: Span<UInt8>) -> Bool {
    guard bytes.count >= 2, bytes[bytes.count - 1] == .lf else { return false }
    var position = 0
    while let lf = bytes.firstIndex(of: .lf, from: position) {
      guard lf > position, bytes[lf - 1] == .cr else { return false }
      if bytes.extracting(position..<lf - 1).firstIndex(of: .cr) != nil { return false }
      position = lf + 1
    }
    return true
  }

  /// The canonical message with LF in place of each CRLF.
  static func lf(_ bytes: Span<UInt8>) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(bytes.count)
    var position = 0
    while let lf = bytes.firstIndex(of: .lf, from: position) {
      output.append(bytes.extracting(position..<lf - 1))
      output.append(.lf)
      position = lf + 1
    }
    output.append(bytes.extracting(position..<bytes.count))
    return output
  }

  /// The message with CRLF in place of each LF.
  static func crlf(_ bytes: Span<UInt8>) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(bytes.count + bytes.count / 32)
    var position = 0
    while let lf = bytes.firstIndex(of: .lf, from: position) {
      output.append(bytes.extracting(position..<lf))
      output.append("\r\n")
      position = lf + 1
    }
    output.append(bytes.extracting(position..<bytes.count))
    return output
  }

  /// How many LF there are.
  static func count(_ bytes: Span<UInt8>) -> Int {
    var count = 0
    var position = 0
    while let lf = bytes.firstIndex(of: .lf, from: position) {
      count += 1
      position = lf + 1
    }
    return count
  }
}
