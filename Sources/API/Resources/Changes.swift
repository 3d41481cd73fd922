import Bytes
import HTTPTransport
import Model
import Store

extension Endpoints {
  /// Answers `GET /v1/accounts/{accountId}/changes`.
  func listChanges(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    var query = try call.query()
    let text = query.string("since", length: 1...64)
    let limit = query.int("limit", in: 1...PageRequest.maximumLimit).map { Int($0) }
    try query.finish()
    guard let text else {
      let state = try await store.feedState(of: account)
      let nothing = try await store.changes(of: account, since: state, limit: 1)
      return .json { ChangesJSON.write(nothing, since: nil, to: &$0) }
    }
    guard let since = FeedState(text: text) else {
      throw ServiceError(
        .invalidRequest,
        "?since: A state that a list or this feed gave is wanted.",
        fields: [
          FieldError(
            pointer: "?since",
            code: FaultCode.format.rawValue,
            detail: "It is no state."
          )
        ]
      )
    }
    let changes = try await store.changes(
      of: account,
      since: since,
      limit: limit ?? PageRequest.defaultLimit
    )
    return .json { ChangesJSON.write(changes, since: since, to: &$0) }
  }
}

/// The shape of a slice of the feed.
enum ChangesJSON {
  /// Writes `changes`, of `nouns` only, and with the account they are of where that is given.
  static func write(
    _ changes: ChangeSet,
    since: FeedState?,
    account: ID<Account>? = nil,
    nouns: FeedNouns = .all,
    to json: inout JSONWriter
  ) {
    json.object { json in
      if let account { json.member("accountId") { $0.id(account) } }
      json.member("oldState") { $0.string(since?.description) }
      json.member("newState") { $0.string(changes.newState.description) }
      json.member("hasMore") { $0.bool(changes.hasMore) }
      write(changes, nouns, to: &json)
    }
  }

  private static func write(_ changes: ChangeSet, _ nouns: FeedNouns, to json: inout JSONWriter) {
    if nouns.contains(.messages) { write(changes.messages, "messages", Message.self, to: &json) }
    if nouns.contains(.mailboxes) {
      let properties = changes.mailboxProperties
      write(changes.mailboxes, "mailboxes", Mailbox.self, properties: properties, to: &json)
    }
    if nouns.contains(.threads) {
      write(changes.threads, "threads", MessageThread.self, to: &json)
    }
    if nouns.contains(.submissions) {
      write(changes.submissions, "submissions", Submission.self, to: &json)
    }
    if nouns.contains(.operations) {
      write(changes.operations, "operations", MailOperation.self, to: &json)
    }
    if nouns.contains(.jobs) { write(changes.jobs, "jobs", Job.self, to: &json) }
    if nouns.contains(.rules) { write(changes.rules, "rules", MailRule.self, to: &json) }
    if nouns.contains(.account) {
      json.member("account") { json in
        json.object { json in
          json.member("updated") { $0.bool(changes.accountChanged) }
        }
      }
    }
  }

  private static func write<Noun: Identified>(
    _ ids: ChangeSet.Ids,
    _ name: StaticString,
    _ noun: Noun.Type,
    properties: [Int64: [String]]? = nil,
    to json: inout JSONWriter
  ) {
    json.member(name) { json in
      json.object { json in
        json.member("created") { write(ids.created, noun, to: &$0) }
        json.member("updated") { write(ids.updated, noun, to: &$0) }
        json.member("destroyed") { write(ids.destroyed, noun, to: &$0) }
        if let properties {
          json.member("updatedProperties") { json in
            json.object { json in
              for (id, names) in properties.sorted(by: { $0.key < $1.key }) {
                json.unescapedKey { $0.append(id: ID<Noun>(id)) }
                json.strings(names.sorted())
              }
            }
          }
        }
      }
    }
  }

  private static func write<Noun: Identified>(
    _ ids: [Int64],
    _ noun: Noun.Type,
    to json: inout JSONWriter
  ) {
    json.beginArray()
    for id in ids { json.id(ID<Noun>(id)) }
    json.endArray()
  }
}
