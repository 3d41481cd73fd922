import Bytes

/// A system flag such as `\Seen`, or a keyword such as `$Junk` (RFC 3501 §2.3.2).
///
///     S: * 12 FETCH (UID 40 FLAGS (\Seen $Forwarded))
///
/// Two flags are equal if they differ in case only, as servers treat them.
package struct Flag: Sendable, CustomStringConvertible {
  /// The flag as it is written, the known ones in the spelling of their RFC.
  package let name: String

  /// A flag that may be sent; nil unless `name` is an atom, with `\` before it for a system flag.
  package init?(_ name: String) {
    let atom = name.utf8.first == UInt8.backslash ? name.utf8.dropFirst() : name.utf8[...]
    guard !atom.isEmpty, atom.allSatisfy(\.isIMAPAtom) else { return nil }
    self.name = name
  }

  private init(known name: String) { self.name = name }

  package static let seen = Flag(known: "\\Seen")
  package static let answered = Flag(known: "\\Answered")
  package static let flagged = Flag(known: "\\Flagged")
  package static let deleted = Flag(known: "\\Deleted")
  package static let draft = Flag(known: "\\Draft")
  package static let recent = Flag(known: "\\Recent")
  package static let forwarded = Flag(known: "$Forwarded")
  package static let junk = Flag(known: "$Junk")
  package static let notJunk = Flag(known: "$NotJunk")
  package static let mdnSent = Flag(known: "$MDNSent")
  package static let phishing = Flag(known: "$Phishing")

  /// Whether this is a system flag, not a keyword.
  package var isSystem: Bool { name.utf8.first == UInt8.backslash }

  package var description: String { name }

  /// The flag that `bytes`, taken from a response, spell.
  init(parsed bytes: Span<UInt8>) {
    switch bytes.count {
    case 5 where bytes.equalsIgnoringCase("\\seen"): self = .seen
    case 9 where bytes.equalsIgnoringCase("\\answered"): self = .answered
    case 8 where bytes.equalsIgnoringCase("\\flagged"): self = .flagged
    case 8 where bytes.equalsIgnoringCase("\\deleted"): self = .deleted
    case 6 where bytes.equalsIgnoringCase("\\draft"): self = .draft
    case 7 where bytes.equalsIgnoringCase("\\recent"): self = .recent
    default: name = String(utf8: bytes)
    }
  }
}

extension Flag: Hashable {
  package static func == (left: Flag, right: Flag) -> Bool {
    if left.name == right.name { return true }
    return left.name.utf8.count == right.name.utf8.count
      && zip(left.name.utf8, right.name.utf8).allSatisfy {
        $0.asciiLowercased == $1.asciiLowercased
      }
  }

  package func hash(into hasher: inout Hasher) {
    for byte in name.utf8 { hasher.combine(byte.asciiLowercased) }
  }
}

extension ByteReader {
  /// Reads `flag-list` (RFC 3501 §9): flags in parentheses.
  mutating func requireFlags() throws(IMAPSyntaxError) -> [Flag] {
    if consumeNIL() { return [] }  // Leniency `nilFlags`: an empty list written NIL.
    try require(0x28, "flag-list")
    var flags: [Flag] = []
    while true {
      skipBlanks()
      if consume(0x29) { return flags }
      // Everything up to a blank or parenthesis: keywords hold brackets and more on real servers.
      let range = take { $0 != 0x20 && $0 != 0x29 && $0 != 0x28 && !$0.isControl }
      guard !range.isEmpty else { throw syntaxError("flag") }
      flags.append(Flag(parsed: slice(range)))
    }
  }
}
