import Bytes

extension MailboxName {
  /// The name that stands on the wire in UTF-8 (RFC 6855 §3).
  ///
  /// It is kept in its older form, so that a mailbox has one name whichever form the connection uses.
  init(utf8 bytes: [UInt8]) {
    let isPlain = bytes.allSatisfy { (0x20...0x7E).contains($0) && $0 != 0x26 }
    self = isPlain ? MailboxName(encoded: bytes) : MailboxName(String(utf8: bytes.span))
  }

  /// The name whose bytes were read as the older form, but are UTF-8.
  fileprivate var fromUTF8: MailboxName { MailboxName(utf8: encoded) }
}

extension UntaggedResponse {
  /// The response with its mailbox names, parsed as modified UTF-7, taken as UTF-8 instead.
  func readingNamesAsUTF8() -> UntaggedResponse {
    switch self {
    case .list(let mailbox): .list(mailbox.readingNamesAsUTF8())
    case .subscribed(let mailbox): .subscribed(mailbox.readingNamesAsUTF8())
    case .status(let name, let status): .status(name.fromUTF8, status)
    case .namespaces(let namespaces): .namespaces(namespaces.readingNamesAsUTF8())
    case .quotaRoots(let name, let roots): .quotaRoots(name.fromUTF8, roots)
    default: self
    }
  }
}

extension ListedMailbox {
  fileprivate func readingNamesAsUTF8() -> ListedMailbox {
    var mailbox = self
    mailbox.name = name.fromUTF8
    mailbox.oldName = oldName?.fromUTF8
    return mailbox
  }
}

extension Namespaces {
  fileprivate func readingNamesAsUTF8() -> Namespaces {
    func read(_ list: [Namespace]) -> [Namespace] {
      list.map { Namespace(prefix: $0.prefix.fromUTF8, delimiter: $0.delimiter) }
    }
    var namespaces = Namespaces()
    namespaces.personal = read(personal)
    namespaces.others = read(others)
    namespaces.shared = read(shared)
    return namespaces
  }
}
