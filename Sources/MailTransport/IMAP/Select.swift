package import MailProtocols
package import Net

/// What SELECT or EXAMINE said of a mailbox; nil where the server did not say.
///
///     S: * 172 EXISTS
///     S: * OK [UIDVALIDITY 3857529045] UIDs valid
///     S: * OK [UIDNEXT 4392] Predicted next UID
///     S: A2 OK [READ-WRITE] SELECT completed
package struct SelectedMailbox: Hashable, Sendable {
  package var name: MailboxName
  package var exists: UInt32 = 0
  package var uidValidity: UIDValidity?
  /// Courier never says it.
  package var uidNext: UID?
  package var highestModSeq: ModSeq?
  package var mailboxID: String?
  package var flags: [Flag] = []
  /// The flags that can be changed for good; all of `flags` where the server does not say.
  package var permanentFlags: [Flag] = []
  /// Whether new keywords can be made up.
  package var allowsNewKeywords = false
  package var isReadOnly: Bool

  init(name: MailboxName, isReadOnly: Bool) {
    self.name = name
    self.isReadOnly = isReadOnly
  }

  mutating func note(_ code: ResponseCode?) {
    switch code {
    case .uidValidity(let validity): uidValidity = validity
    case .uidNext(let uid): uidNext = uid
    case .highestModSeq(let modSeq): highestModSeq = modSeq
    case .mailboxID(let id): mailboxID = id
    case .permanentFlags(let list):
      allowsNewKeywords = list.contains { $0.name == "\\*" }
      permanentFlags = list.filter { $0.name != "\\*" }
    case .other("READ-ONLY", _): isReadOnly = true
    case .other("READ-WRITE", _): isReadOnly = false
    default: break
    }
  }
}

extension IMAPClient {
  /// Opens `mailbox` for reading and writing.
  @discardableResult
  package func select(
    _ mailbox: MailboxName,
    deadline: Deadline? = nil
  ) async throws(IMAPError) -> SelectedMailbox {
    try await open(mailbox, readOnly: false, deadline)
  }

  /// Opens `mailbox` for reading only.
  @discardableResult
  package func examine(
    _ mailbox: MailboxName,
    deadline: Deadline? = nil
  ) async throws(IMAPError) -> SelectedMailbox {
    try await open(mailbox, readOnly: true, deadline)
  }

  private func open(
    _ mailbox: MailboxName,
    readOnly: Bool,
    _ deadline: Deadline?
  ) async throws(IMAPError) -> SelectedMailbox {
    let command = IMAPCommand.select(
      mailbox,
      readOnly: readOnly,
      condStore: capabilities.contains(.condStore)
    )
    var opened = SelectedMailbox(name: mailbox, isReadOnly: readOnly)
    var saysPermanentFlags = false
    selected = nil
    forgetEvents()
    let status = try await perform(command, deadline: deadline) { response in
      switch response {
      case .exists(let count): opened.exists = count
      case .flags(let flags): opened.flags = flags
      case .condition(let status):
        if case .permanentFlags? = status.code { saysPermanentFlags = true }
        opened.note(status.code)
      default: return false
      }
      return true
    }
    opened.note(status.code)
    if !saysPermanentFlags { opened.permanentFlags = opened.flags }  // RFC 3501 §6.3.1.
    selected = opened
    return opened
  }

  /// Leaves the selected mailbox without expunging, where the server can do so.
  package func unselect(deadline: Deadline? = nil) async throws(IMAPError) {
    guard capabilities.contains(.unselect) else { throw .unsupported("UNSELECT") }
    try await perform(.unselect, deadline: deadline)
    selected = nil
    forgetEvents()
  }
}
