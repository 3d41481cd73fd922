import Bytes

/// An attribute of a listed mailbox: `\Noselect`, `\HasChildren`, a special-use attribute.
package struct MailboxAttribute: Hashable, Sendable, CustomStringConvertible,
  ExpressibleByStringLiteral
{
  /// The attribute in lower case with its backslash; servers differ in case (Cyrus: `\drafts`).
  package let name: String

  package init(stringLiteral value: String) { name = value.lowercased() }
  init(_ name: String) { self.name = name.lowercased() }
  package var description: String { name }

  package static let noSelect: Self = "\\noselect"
  package static let nonExistent: Self = "\\nonexistent"
  package static let noInferiors: Self = "\\noinferiors"
  package static let hasChildren: Self = "\\haschildren"
  package static let hasNoChildren: Self = "\\hasnochildren"
  package static let subscribed: Self = "\\subscribed"
  package static let remote: Self = "\\remote"
  package static let all: Self = "\\all"
  package static let archive: Self = "\\archive"
  package static let drafts: Self = "\\drafts"
  package static let flagged: Self = "\\flagged"
  package static let important: Self = "\\important"
  package static let junk: Self = "\\junk"
  package static let sent: Self = "\\sent"
  package static let trash: Self = "\\trash"

  /// The special-use attributes of RFC 6154 and RFC 8457.
  package static let specialUses: Set<Self> = [
    .all, .archive, .drafts, .flagged, .important, .junk, .sent, .trash,
  ]
}

/// A mailbox that LIST or LSUB names.
///
///     S: * LIST (\HasNoChildren \Sent) "/" "Sent"
package struct ListedMailbox: Hashable, Sendable {
  package var name: MailboxName
  package var attributes: Set<MailboxAttribute>
  /// The sign between the levels of a name; nil where names are flat.
  package var delimiter: UInt8?
  /// Its counters, where the server was asked to return them with the list (RFC 5819).
  package var status: MailboxStatus?
  /// What the mailbox was called until now, where the server tells of a renaming (RFC 5465 §5.4).
  package var oldName: MailboxName?

  /// A mailbox of these members.
  package init(name: MailboxName, attributes: Set<MailboxAttribute> = [], delimiter: UInt8? = nil) {
    self.name = name
    self.attributes = attributes
    self.delimiter = delimiter
  }

  /// Whether SELECT can open it.
  package var isSelectable: Bool {
    !attributes.contains(.noSelect) && !attributes.contains(.nonExistent)
  }

  /// The special-use attribute, where it has one.
  package var specialUse: MailboxAttribute? {
    MailboxAttribute.specialUses.intersection(attributes).min { $0.name < $1.name }
  }

  /// The name's levels, decoded.
  package var components: [String] {
    guard let delimiter else { return [name.decoded] }
    // Split before decoding: a delimiter is ASCII, and encoded text may hold none.
    return name.encoded.split(separator: delimiter, omittingEmptySubsequences: false)
      .map { MailboxName(encoded: Array($0)).decoded }
  }
}

/// The prefixes under which a server keeps mailboxes (RFC 2342).
package struct Namespaces: Hashable, Sendable {
  /// One prefix with its delimiter.
  package struct Namespace: Hashable, Sendable {
    package var prefix: MailboxName
    package var delimiter: UInt8?
  }

  package var personal: [Namespace] = []
  package var others: [Namespace] = []
  package var shared: [Namespace] = []

  /// No namespace.
  package init() {}
}

extension ByteReader {
  /// Reads what follows `LIST`, `LSUB` or `XLIST`.
  mutating func requireListedMailbox() throws(IMAPSyntaxError) -> ListedMailbox {
    skipBlanks()
    try require(0x28, "mbx-list-flags")
    var attributes: Set<MailboxAttribute> = []
    while true {
      skipBlanks()
      if consume(0x29) { break }
      let range = take(while: \.isIMAPWord)
      guard !range.isEmpty else { throw syntaxError("mailbox attribute") }
      attributes.insert(MailboxAttribute(String(utf8: slice(range))))
    }
    skipBlanks()
    let delimiter = try requireNString()?.first
    skipBlanks()
    let name = MailboxName(encoded: try requireMailbox())
    var mailbox = ListedMailbox(name: name, attributes: attributes, delimiter: delimiter)
    mailbox.oldName = try? oldName()  // Whatever else stands there was never part of a name.
    return mailbox
  }

  /// Reads `mbox-list-extended` (RFC 5258 §6), of which only `OLDNAME` is wanted.
  private mutating func oldName() throws(IMAPSyntaxError) -> MailboxName? {
    var name: MailboxName?
    skipBlanks()
    guard consume(0x28) else { return nil }
    while true {
      skipBlanks()
      if consume(0x29) { return name }
      let tag = try requireAString()
      skipBlanks()
      guard tag.span.equalsIgnoringCase("oldname"), consume(0x28) else {
        try skipValue()
        continue
      }
      skipBlanks()
      name = MailboxName(encoded: try requireAString())
      try skipToClose()
    }
  }

  /// Reads a mailbox name.
  ///
  /// Leniency `bareMailboxName`: parentheses and the like stand in bare names on real servers.
  mutating func requireMailbox() throws(IMAPSyntaxError) -> [UInt8] {
    if let string = try string() { return string }
    let word = take { $0 > 0x20 }
    guard !word.isEmpty else { throw syntaxError("mailbox") }
    return copy(word)
  }

  /// Reads what follows `NAMESPACE`: three lists, each of which may be NIL.
  mutating func requireNamespaces() throws(IMAPSyntaxError) -> Namespaces {
    var namespaces = Namespaces()
    namespaces.personal = try namespaceList()
    namespaces.others = try namespaceList()
    namespaces.shared = try namespaceList()
    return namespaces
  }

  private mutating func namespaceList() throws(IMAPSyntaxError) -> [Namespaces.Namespace] {
    skipBlanks()
    if isAtEnd || consumeNIL() { return [] }
    try require(0x28, "namespace")
    var list: [Namespaces.Namespace] = []
    while true {
      skipBlanks()
      if consume(0x29) { return list }
      try require(0x28, "namespace")
      skipBlanks()
      let prefix = try requireNString() ?? []
      skipBlanks()
      let delimiter = try requireNString()?.first
      try skipToClose()
      list.append(.init(prefix: MailboxName(encoded: prefix), delimiter: delimiter))
    }
  }
}
