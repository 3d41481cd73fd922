import Bytes
import Model

/// The filters of a list of messages, as query parameters or as members of a JSON object.
struct MessageFilter {
  var query = MessageQuery()
  /// The role, where the mailbox is named by one.
  var role: String?

  /// What `decoder` filters by.
  init(_ decoder: inout QueryDecoder) {
    let faults = decoder.faults
    setMailbox(decoder.string("mailbox", length: 1...64), at: "?mailbox", faults: faults)
    query.isUnread = decoder.bool("unread")
    query.isFlagged = decoder.bool("flagged")
    query.isAnswered = decoder.bool("answered")
    query.isDraft = decoder.bool("draft")
    query.keyword = decoder.string("keyword", length: 1...255)
    query.hasAttachment = decoder.bool("hasAttachment")
    query.from = decoder.string("from", length: 1...1024)
    query.to = decoder.string("to", length: 1...1024)
    query.subject = decoder.string("subject", length: 1...1024)
    query.after = decoder.time("after")
    query.before = decoder.time("before")
    query.larger = decoder.int("larger", in: 0...Int64.max)
    query.smaller = decoder.int("smaller", in: 0...Int64.max)
    query.messageID = decoder.string("messageId", length: 1...998)
    setThread(decoder.string("thread", length: 1...64), at: "?thread", faults: faults)
    query.search = SearchDecoding.query(&decoder)
  }

  /// What `object` filters by.
  init(_ object: inout ObjectDecoder) {
    let faults = object.faults
    setMailbox(
      object.string("mailbox", length: 1...64),
      at: object.pointer(to: "mailbox"),
      faults: faults
    )
    query.isUnread = object.bool("unread")
    query.isFlagged = object.bool("flagged")
    query.isAnswered = object.bool("answered")
    query.isDraft = object.bool("draft")
    query.keyword = object.string("keyword", length: 1...255)
    query.hasAttachment = object.bool("hasAttachment")
    query.from = object.string("from", length: 1...1024)
    query.to = object.string("to", length: 1...1024)
    query.subject = object.string("subject", length: 1...1024)
    query.after = object.time("after")
    query.before = object.time("before")
    query.larger = object.int("larger", in: 0...Int64.max)
    query.smaller = object.int("smaller", in: 0...Int64.max)
    query.messageID = object.string("messageId", length: 1...998)
    setThread(
      object.string("thread", length: 1...64),
      at: object.pointer(to: "thread"),
      faults: faults
    )
    query.search = SearchDecoding.query(&object)
  }

  private mutating func setMailbox(_ text: String?, at pointer: String, faults: Faults) {
    guard let text else { return }
    if Mailbox.roles.contains(text) {
      role = text
    } else if let id = ID<Mailbox>(text: text) {
      query.mailbox = id
    } else {
      faults.addValue(pointer, .notFound, "There is no mailbox with this id or role.")
    }
  }

  private mutating func setThread(_ text: String?, at pointer: String, faults: Faults) {
    guard let text else { return }
    query.thread = ObjectDecoder.id(text, of: MessageThread.self, at: pointer, faults: faults)
  }

  /// Sets the order that `sort=` names: a member, after `-` from high to low.
  mutating func setSort(_ decoder: inout QueryDecoder) {
    guard let text = decoder.string("sort") else { return }
    let isDescending = text.hasPrefix("-")
    guard let sort = MessageQuery.Sort(rawValue: String(text.dropFirst(isDescending ? 1 : 0)))
    else {
      let names = MessageQuery.Sort.allCases.map(\.rawValue).joined(separator: ", ")
      return decoder.faults.add("?sort", .format, "One of \(names), with - before, is wanted.")
    }
    query.sort = sort
    query.isAscending = !isDescending
  }

  /// What a cursor of the list is bound to: everything that decides its items and their order.
  func list(of account: ID<Account>) -> String {
    // The description names each member with its value, so two lists that differ read differently.
    "messages/\(account)/\(role ?? "")/\(query)"
  }
}
