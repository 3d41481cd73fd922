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

  /// Whether messages can be marked `\Deleted` (RFC 4314 §4: without the right `t` PERMANENTFLAGS leaves it out).
  ///
  /// Where the server says nothing of flags, against RFC 3501 §6.3.1, it is tried.
  package var allowsDeletion: Bool { flags.isEmpty || permanentFlags.contains(.deleted) }

  init(name: MailboxName, isReadOnly: Bool) {
    self.name = name
    self.isReadOnly = isReadOnly
  }

  mutating func note(_ code: ResponseCode?) {
    switch code {
    case .uidValidity(let validity): uidValidity = validity
    case .uidNext(let uid): uidNext = uid
    // Leniency `zeroVersion`: 0, which RFC 7162 has no mailbox have, is what NOMODSEQ says.
    case .highestModSeq(let modSeq): highestModSeq = modSeq.value == 0 ? nil : modSeq
    case .other("NOMODSEQ", _): highestModSeq = nil
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

/// Gathers the answer to SELECT or EXAMINE.
struct SelectAnswer {
  private var mailbox: SelectedMailbox
  private let takesChanges: Bool
  private var saysPermanentFlags = false
  /// The messages that are gone, where QRESYNC asked for them.
  private(set) var vanished = UIDSet()
  /// The messages whose flags changed, where QRESYNC asked for them.
  private(set) var changed: [FetchedMessage] = []

  init(_ name: MailboxName, readOnly: Bool, takesChanges: Bool) {
    mailbox = SelectedMailbox(name: name, isReadOnly: readOnly)
    self.takesChanges = takesChanges
  }

  mutating func take(_ response: UntaggedResponse) -> Bool {
    switch response {
    case .exists(let count): mailbox.exists = count
    case .flags(let flags): mailbox.flags = flags
    case .condition(let status):
      // All before it belongs to the mailbox that was open (RFC 7162 §3.2.11).
      if case .other("CLOSED", _)? = status.code { startAnew() }
      if case .permanentFlags? = status.code { saysPermanentFlags = true }
      if case .other("ALERT", _)? = status.code { return false }
      mailbox.note(status.code)
    case .vanished(let uids, earlier: true) where takesChanges: vanished.formUnion(uids)
    case .fetch(let message) where takesChanges && message.uid != nil: changed.append(message)
    default: return false
    }
    return true
  }

  private mutating func startAnew() {
    self = SelectAnswer(
      mailbox.name,
      readOnly: mailbox.isReadOnly,
      takesChanges: takesChanges
    )
  }

  /// The mailbox, once the command has ended by `status`.
  mutating func finish(_ status: StatusResponse) -> SelectedMailbox {
    mailbox.note(status.code)
    if !saysPermanentFlags { mailbox.permanentFlags = mailbox.flags }  // RFC 3501 §6.3.1.
    return mailbox
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
    var answer = SelectAnswer(mailbox, readOnly: readOnly, takesChanges: false)
    leave()
    let status = try await perform(command, deadline: deadline) { answer.take($0) }
    let opened = answer.finish(status)
    selected = opened
    return opened
  }

  /// Forgets the mailbox that was open.
  func leave() {
    selected = nil
    forgetEvents()
  }

  /// Leaves the selected mailbox without expunging (RFC 3691).
  ///
  /// A server without UNSELECT is asked to open the mailbox for reading only, and then to close it,
  /// which expunges nothing (RFC 3501 §6.4.2). Where it opens it for writing all the same, nothing is
  /// closed.
  package func unselect(deadline: Deadline? = nil) async throws(IMAPError) {
    guard let name = selected?.name else { return }
    if capabilities.contains(.unselect) {
      try await perform(.unselect, deadline: deadline)
    } else {
      guard try await examine(name, deadline: deadline).isReadOnly else {
        throw .unsupported("UNSELECT")
      }
      try await perform(.closeMailbox, deadline: deadline)
    }
    leave()
  }
}
