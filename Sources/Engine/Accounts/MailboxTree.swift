import MailProtocols
import Model
import Store

/// What may be done to the mailboxes of an account, whoever does it, and what they are called then.
struct MailboxTree {
  let all: [Mailbox]

  init(_ all: [Mailbox]) { self.all = all }

  /// What stands between two levels of a path; nil where names are flat, or none is known.
  var delimiter: String? { all.lazy.compactMap(\.delimiter).first }

  /// Leniency `inboxPrefix`: where every mailbox stands under `INBOX.` (Courier), a new one has to as well.
  var inboxPrefix: String {
    let others = all.filter { $0.role != "inbox" && !$0.isAwaited }
    guard let delimiter, !others.isEmpty,
      others.allSatisfy({ $0.path.uppercased().hasPrefix("INBOX\(delimiter)") })
    else { return "" }
    return "INBOX\(delimiter)"
  }

  /// The mailbox with this id.
  func require(_ id: ID<Mailbox>) throws(ServiceError) -> Mailbox {
    guard let mailbox = all.first(where: { $0.id == id }) else { throw .notFound("mailbox") }
    return mailbox
  }

  /// The path of a mailbox called `name` below `parent`; at the top `top` stands before it.
  func path(
    _ name: String,
    _ parent: ID<Mailbox>?,
    top: String
  ) throws(ServiceError) -> String {
    guard Mailbox.isName(name, delimiter: delimiter) else {
      throw Self.invalid(
        "This is no name for a mailbox.",
        "/name",
        "format",
        "1 to 200 bytes without control characters"
          + (delimiter.map { " and without the delimiter \($0)" } ?? "") + "."
      )
    }
    guard let parent else { return top + name }
    guard let above = all.first(where: { $0.id == parent }) else {
      throw Self.invalid(
        "The parent is no mailbox of this account.",
        "/parentId",
        "not_found",
        "An id of a mailbox of this account."
      )
    }
    guard let delimiter else {
      throw ServiceError(.backendUnsupported, "The server has no mailboxes below others.")
    }
    return above.path + delimiter + name
  }

  /// Throws where a mailbox is called so already.
  func requireFree(_ path: String) throws(ServiceError) {
    let name = MailboxName(path)
    guard
      !all.contains(where: { MailboxName($0.path) == name || !$0.isPending && $0.imapName == name })
    else { throw ServiceError(.conflict, "There is a mailbox of this name already.") }
  }

  /// Throws where `mailbox` cannot be called `path`.
  func requireMovable(_ mailbox: Mailbox, to path: String) throws(ServiceError) {
    guard mailbox.role != "inbox" else {
      throw ServiceError(.conflict, "The inbox cannot be renamed or moved.")
    }
    if let delimiter = mailbox.delimiter, path.hasPrefix(mailbox.path + delimiter) {
      throw ServiceError(.conflict, "A mailbox cannot be moved below itself.")
    }
    try requireFree(path)
  }

  /// Throws where `mailbox` cannot be deleted, for as much as is known here.
  func requireDeletable(_ mailbox: Mailbox, isPermanent: Bool) throws(ServiceError) {
    guard mailbox.role != "inbox" else {
      throw ServiceError(.conflict, "The inbox cannot be deleted.")
    }
    guard !all.contains(where: { $0.parentID == mailbox.id }) else {
      throw ServiceError(.conflict, "The mailbox has mailboxes below it; delete those first.")
    }
    if !isPermanent, mailbox.totalMessages > 0 {
      throw ServiceError.mailboxHolds(mailbox.totalMessages)
    }
  }

  private static func invalid(
    _ message: String,
    _ pointer: String,
    _ code: String,
    _ detail: String
  ) -> ServiceError {
    ServiceError(
      .invalidRequest,
      message,
      fields: [FieldError(pointer: pointer, code: code, detail: detail)]
    )
  }
}

extension [Mailbox] {
  /// The subscriptions to move where `mailbox` is called `name` from now on: its own, and those of the mailboxes below it.
  ///
  /// RENAME leaves them as they are (RFC 3501 §6.3.5): a name that is subscribed to need not exist.
  func subscriptions(
    renaming mailbox: Mailbox,
    to name: MailboxName
  ) -> [(old: MailboxName, new: MailboxName)] {
    let old = mailbox.imapName.encoded
    let delimiter = [UInt8]((mailbox.delimiter ?? "").utf8)
    return compactMap { known in
      let encoded = known.imapName.encoded
      let isBelow = !delimiter.isEmpty && encoded.starts(with: old + delimiter)
      guard known.isSubscribed, known.id == mailbox.id || isBelow else { return nil }
      let new = name.encoded + encoded.dropFirst(old.count)
      return (known.imapName, MailboxName(encoded: [UInt8](new)))
    }
  }
}
