import Bytes
import MailProtocols
import Store

extension MailboxListing {
  /// The rows for what LIST told, roles decided: by special-use (RFC 6154), else by the names people give.
  static func listings(
    _ listed: [ListedMailbox],
    _ statuses: [MailboxName: MailboxStatus] = [:]
  ) -> [MailboxListing] {
    let told = Set(listed.compactMap(\.specialUse))
    var taken: Set<String> = ["inbox"]
    return listed.map { mailbox in
      let path = mailbox.name.decoded.withoutNUL
      let delimiter = mailbox.delimiter.map { String(decoding: [$0], as: UTF8.self) }
      var role: String?
      if mailbox.name == .inbox {
        role = "inbox"
      } else if let candidate = mailbox.specialUse.flatMap({ roles[$0] })
        ?? guess(mailbox, unless: told), taken.insert(candidate).inserted
      {
        role = candidate
      }
      var listing = MailboxListing(
        encodedName: mailbox.name.stored,
        path: path,
        name: last(path, delimiter),
        parentEncodedName: parent(mailbox),
        delimiter: delimiter,
        role: role,
        isSubscribed: mailbox.attributes.contains(.subscribed),
        isSelectable: mailbox.isSelectable
      )
      listing.objectID = statuses[mailbox.name]?.mailboxID
      listing.uidValidity = statuses[mailbox.name]?.uidValidity.map { Int64($0.value) }
      return listing
    }
  }

  private static let roles: [MailboxAttribute: String] = [
    .archive: "archive", .drafts: "drafts", .flagged: "flagged", .junk: "junk", .sent: "sent",
    .trash: "trash", .all: "all",
  ]

  /// The special use that makes for a role (RFC 6154); nil for the inbox, which has none.
  static func use(of role: String) -> MailboxAttribute? { roles.first { $0.value == role }?.key }

  /// Leniency `roleByName`: servers without SPECIAL-USE (Courier) tell no roles, but nearly all use these names.
  private static let names: [String: MailboxAttribute] = [
    "drafts": .drafts, "sent": .sent, "sent items": .sent, "sent messages": .sent,
    "sent mail": .sent, "trash": .trash, "deleted items": .trash, "deleted messages": .trash,
    "junk": .junk, "spam": .junk, "junk e-mail": .junk, "archive": .archive,
  ]

  private static func guess(
    _ mailbox: ListedMailbox,
    unless told: Set<MailboxAttribute>
  ) -> String? {
    guard let name = mailbox.components.last?.lowercased(), mailbox.components.count <= 2,
      let attribute = names[name], !told.contains(attribute), mailbox.isSelectable
    else { return nil }
    return roles[attribute]
  }

  private static func last(_ path: String, _ delimiter: String?) -> String {
    guard let delimiter, let mark = delimiter.first,
      let index = path.lastIndex(of: mark), path.index(after: index) < path.endIndex
    else { return path }
    return String(path[path.index(after: index)...])
  }

  private static func parent(_ mailbox: ListedMailbox) -> String? {
    guard let mark = mailbox.delimiter, let index = mailbox.name.encoded.lastIndex(of: mark) else {
      return nil
    }
    return MailboxName(encoded: Array(mailbox.name.encoded[..<index])).stored
  }
}
