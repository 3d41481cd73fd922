import Bytes

/// What mail programs note of a message in the header of its copy in a mailbox file.
///
/// - `Status` and `X-Status` letters (mutt, Dovecot, Pine): R seen, O old; A answered, F flagged, T draft, D deleted;
/// - `X-Keywords` (Dovecot, Pine): words with blanks between;
/// - `X-Mozilla-Status`, `X-Mozilla-Keys` (Thunderbird): bits in hexadecimal, and words;
/// - `X-Gmail-Labels` (Google Takeout), which is of the message and so stays in it;
/// - `X-UID`, `X-IMAP`, `X-IMAPbase`, `Content-Length`, which say nothing of the message itself.
struct StatusFields {
  private(set) var keywords: Set<String> = []
  private(set) var isDeleted = false
  /// The value of `Content-Length`.
  private(set) var contentLength: Int?
  /// Whether it holds the notes of the file and is no message.
  var isInternal: Bool { hasIMAPBase && isPlaceholder }
  private var hasIMAPBase = false
  private var isPlaceholder = false
  private let limits: ArchiveLimits

  init(_ limits: ArchiveLimits) { self.limits = limits }

  /// Reads a field; false where it is one of the message's own.
  mutating func take(_ name: Span<UInt8>, _ body: Span<UInt8>) -> Bool {
    guard name.count > 3 else { return false }
    switch name[0].asciiLowercased {
    case 0x73 where name.equalsIgnoringCase("status"): return takeLetters(body, of: "RODUN")
    case 0x63 where name.equalsIgnoringCase("content-length"): return takeLength(body)
    case 0x78: return takeExtension(name, body)
    case 0x73 where name.equalsIgnoringCase("subject"):
      isPlaceholder = Self.begins(body, with: "DON'T DELETE THIS MESSAGE")
      return false
    default: return false
    }
  }

  private mutating func takeExtension(_ name: Span<UInt8>, _ body: Span<UInt8>) -> Bool {
    if name.equalsIgnoringCase("x-status") { return takeLetters(body, of: "AFTDRO") }
    if name.equalsIgnoringCase("x-keywords") || name.equalsIgnoringCase("x-mozilla-keys") {
      addWords(body)
      return true
    }
    if name.equalsIgnoringCase("x-mozilla-status") { return takeMozilla(body) }
    if name.equalsIgnoringCase("x-gmail-labels") { addLabels(body) }
    if name.equalsIgnoringCase("x-imapbase") || name.equalsIgnoringCase("x-imap") {
      hasIMAPBase = true
      return true
    }
    return name.equalsIgnoringCase("x-uid") || name.equalsIgnoringCase("x-mozilla-status2")
  }

  private static func begins(_ body: Span<UInt8>, with text: StaticString) -> Bool {
    var reader = ByteReader(body)
    _ = reader.take { $0 <= .space }
    return reader.consume(text)
  }

  /// A `Status` that holds anything else is a field of somebody else's.
  private mutating func takeLetters(_ body: Span<UInt8>, of letters: StaticString) -> Bool {
    var found: [UInt8] = []
    for index in 0..<body.count where body[index] > .space {
      guard found.count < 8, Self.holds(letters, body[index]) else { return false }
      found.append(body[index])
    }
    for letter in found {
      switch letter {
      case 0x52: keywords.insert("$seen")
      case 0x41: keywords.insert("$answered")
      case 0x46: keywords.insert("$flagged")
      case 0x54: keywords.insert("$draft")
      case 0x44: isDeleted = true
      default: break
      }
    }
    return true
  }

  private static func holds(_ letters: StaticString, _ byte: UInt8) -> Bool {
    for index in 0..<letters.utf8CodeUnitCount where unsafe letters.utf8Start[index] == byte {
      return true
    }
    return false
  }

  private mutating func takeLength(_ body: Span<UInt8>) -> Bool {
    let trimmed = body.extracting(body.trimmingBlanks)
    var reader = ByteReader(trimmed)
    let number = reader.number().flatMap(Int.init(exactly:))
    guard let number, reader.isAtEnd || reader.next == .cr || reader.next == .lf else {
      return true
    }
    contentLength = number
    return true
  }

  /// 1 read, 2 replied, 4 marked, 8 expunged, 0x1000 forwarded.
  private mutating func takeMozilla(_ body: Span<UInt8>) -> Bool {
    var bits = 0
    var digits = 0
    for index in 0..<body.count where body[index] > .space {
      guard let digit = body[index].hexValue, digits < 8 else { return true }
      bits = bits << 4 | Int(digit)
      digits += 1
    }
    if bits & 0x0001 != 0 { keywords.insert("$seen") }
    if bits & 0x0002 != 0 { keywords.insert("$answered") }
    if bits & 0x0004 != 0 { keywords.insert("$flagged") }
    if bits & 0x0008 != 0 { isDeleted = true }
    if bits & 0x1000 != 0 { keywords.insert("$forwarded") }
    return true
  }

  private mutating func addWords(_ body: Span<UInt8>) {
    var reader = ByteReader(body)
    while !reader.isAtEnd, keywords.count < limits.keywords {
      _ = reader.take { $0 <= .space }
      let word = reader.slice(reader.take { $0 > .space })
      if let keyword = Keywords.normal(word, limits) { keywords.insert(keyword) }
    }
  }

  /// Takeout says of every message where it is, and `Unread` where nobody saw it.
  private mutating func addLabels(_ body: Span<UInt8>) {
    var isUnread = false
    var reader = ByteReader(body)
    while !reader.isAtEnd {
      let label = reader.slice(reader.take(upTo: 0x2C))
      reader.skip(1)
      switch Self.word(label) {
      case "Unread": isUnread = true
      case "Starred": keywords.insert("$flagged")
      case "Draft", "Drafts": keywords.insert("$draft")
      default: break
      }
    }
    if !isUnread { keywords.insert("$seen") }
  }

  /// The text without blanks and line ends around it.
  private static func word(_ text: Span<UInt8>) -> String {
    var (start, end) = (0, text.count)
    while start < end, text[start] <= .space { start += 1 }
    while end > start, text[end - 1] <= .space { end -= 1 }
    return String(utf8: text.extracting(start..<end))
  }
}

/// Keywords as archives spell them.
enum Keywords {
  /// In lower case; nil where IMAP could not carry it (RFC 8621 §4.1.1).
  static func normal(_ word: Span<UInt8>, _ limits: ArchiveLimits) -> String? {
    guard word.count > 0, word.count <= limits.keywordBytes else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(word.count)
    for index in 0..<word.count {
      let byte = word[index]
      switch byte {
      case ...0x20, 0x7F..., 0x28, 0x29, 0x7B, 0x5D, 0x25, 0x2A, 0x22, 0x5C: return nil
      default: bytes.append(byte.asciiLowercased)
      }
    }
    return String(utf8: bytes.span)
  }
}
