import Bytes

/// A message's number within one session, from 1 on; it means nothing in the next.
package struct POP3MessageNumber: RawRepresentable, Hashable, Comparable, Sendable {
  package let rawValue: UInt32

  /// The number `rawValue`.
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The number `value`.
  package init(_ value: UInt32) { rawValue = value }

  package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

extension POP3MessageNumber: CustomStringConvertible {
  package var description: String { String(rawValue) }
}

/// A unique id as the server spells it (RFC 1939 §7): 1 to 70 printable characters.
package struct POP3UniqueID: Hashable, Sendable {
  /// The bytes as they came.
  package let bytes: [UInt8]

  /// The id of these bytes.
  package init(bytes: [UInt8]) { self.bytes = bytes }

  /// The id that `text` spells.
  package init(_ text: String) { bytes = Array(text.utf8) }
}

extension POP3UniqueID: CustomStringConvertible {
  package var description: String { String(utf8: bytes.span) }
}

/// The answer to STAT (RFC 1939 §5): `nn mm`.
package struct POP3DropListing: Hashable, Sendable {
  /// How many messages there are that are not marked as deleted.
  package let messageCount: Int
  /// Their bytes, by the server's count.
  package let octets: Int

  /// A listing of both counts.
  package init(messageCount: Int, octets: Int) {
    self.messageCount = messageCount
    self.octets = octets
  }

  /// The listing that the text of a `+OK` is; nil where it is none.
  ///
  /// Leniency `missingOctets`: the count of bytes is 0 where it is none; nothing depends on it.
  package init?(_ reply: POP3Reply) {
    guard reply.isPositive else { return nil }
    var reader = ByteReader(reply.bytes.span)
    guard let count = reader.number(), count <= UInt64(UInt32.max) else { return nil }
    reader.skipBlanksOfListing()
    self.init(messageCount: Int(count), octets: Int(clamping: reader.number() ?? 0))
  }
}

/// A line of LIST (RFC 1939 §5): the number of a message, and its size by the server's count.
///
/// Leniency `wrongOctetCount`: sizes are for people and for planning. Where a message ends is known by
/// its final dot alone, since servers count line ends of one byte, stuffed dots, or nothing at all
/// (RFC 1939 §11 warns of it; recorded of Gmail). A size that is no number is nil.
package struct POP3ScanListing: Hashable, Sendable {
  package let number: POP3MessageNumber
  package let octets: Int?

  /// A listing of both.
  package init(number: POP3MessageNumber, octets: Int?) {
    self.number = number
    self.octets = octets
  }

  /// The listing that a line, or the text of a `+OK`, is; nil where it is none.
  init?(line: Span<UInt8>) {
    var reader = ByteReader(line)
    guard let number = reader.messageNumber() else { return nil }
    reader.skipBlanksOfListing()
    self.init(number: number, octets: reader.number().map { Int(clamping: $0) })
  }

  /// The listing in the answer to `LIST n`; nil where there is none.
  package init?(_ reply: POP3Reply) {
    guard reply.isPositive else { return nil }
    self.init(line: reply.bytes.span)
  }
}

/// A line of UIDL (RFC 1939 §7): the number of a message and its unique id.
///
/// Leniencies: `longUniqueID`, up to `POP3Limits.uniqueIDBytes` and any bytes but controls, blanks
/// within it included (servers that send a file's name, or the Message-ID); `missingUniqueID`, nil
/// where none follows the number, so that one broken line does not make its message vanish.
package struct POP3UniqueIDListing: Hashable, Sendable {
  package let number: POP3MessageNumber
  package let uniqueID: POP3UniqueID?

  /// A listing of both.
  package init(number: POP3MessageNumber, uniqueID: POP3UniqueID?) {
    self.number = number
    self.uniqueID = uniqueID
  }

  /// The listing that a line, or the text of a `+OK`, is; nil where it is none.
  init?(line: Span<UInt8>, limits: POP3Limits) {
    var reader = ByteReader(line)
    guard let number = reader.messageNumber() else { return nil }
    let rest = line.extracting(reader.position..<line.count)
    let bytes = rest.extracting(rest.trimmingBlanks).array
    let isGood =
      !bytes.isEmpty && bytes.count <= limits.uniqueIDBytes
      && !bytes.contains { $0.isControl && $0 != .tab }
    self.init(number: number, uniqueID: isGood ? POP3UniqueID(bytes: bytes) : nil)
  }

  /// The listing in the answer to `UIDL n`; nil where there is none.
  package init?(_ reply: POP3Reply, limits: POP3Limits = POP3Limits()) {
    guard reply.isPositive else { return nil }
    self.init(line: reply.bytes.span, limits: limits)
  }
}

/// A line of LANG (RFC 6856 §3.2): a language tag, and what the language calls itself.
package struct POP3Language: Hashable, Sendable {
  package let tag: String
  package let name: String

  /// A language of both.
  package init(tag: String, name: String) {
    self.tag = tag
    self.name = name
  }

  /// The language that a line is; nil where it is empty.
  init?(line: Span<UInt8>) {
    let words = String(utf8: line).split(separator: " ", maxSplits: 1).map(String.init)
    guard let tag = words.first else { return nil }
    self.init(tag: tag, name: words.count > 1 ? words[1] : "")
  }
}

extension ByteReader {
  /// Consumes spaces and tabs; RFC 1939 has one space, leniency `extraSpaces` any number.
  fileprivate mutating func skipBlanksOfListing() { _ = take(while: \.isBlank) }

  /// A message number, and what must follow it: a blank, or nothing.
  fileprivate mutating func messageNumber() -> POP3MessageNumber? {
    skipBlanksOfListing()
    guard let value = number(), value > 0, let number = UInt32(exactly: value),
      next.map(\.isBlank) ?? true
    else { return nil }
    return POP3MessageNumber(number)
  }
}
