import Bytes
import Engine
import HTTP
import HTTPTransport
import Model
import Net
import Store

extension Endpoints {
  /// Answers `GET /v1/events`: the feed of all accounts that the token may see, as server-sent events.
  func streamEvents(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    var query = try call.query()
    let named = query.strings("account", count: engine.feed.limits.namedAccounts, length: 1...64)
    let names = query.names("types", known: EventStream.nounNames)
    let parameter = query.string("lastEventId", length: 1...256)
    let accounts = try await accounts(named, faults: query.faults, call)
    try query.finish()
    let nouns = names.map { EventStream.nouns($0) } ?? .all
    // The field is what a client sends by itself when it connects again; the parameter may be older.
    let cursor = try await start(after: call.request.fields["last-event-id"] ?? parameter)
    guard engine.feed.hasRoom else {
      throw ServiceError(.unavailable, "No more streams can be opened here.", isRetryable: true)
    }
    let stream = EventStream(
      store: store,
      hub: engine.feed,
      cursors: cursors,
      token: call.access.tokenID,
      accounts: named.isEmpty ? call.access.accounts : accounts,
      nouns: nouns
    )
    var fields = HTTPFields()
    fields.append("Content-Type", constant: "text/event-stream")
    fields.append("Cache-Control", constant: "no-store")
    // nginx would hold events back until a buffer is full.
    fields.append("X-Accel-Buffering", constant: "no")
    return HTTPResponse(
      status: .ok,
      fields: fields,
      body: .stream(length: nil) { writer in try await stream.write(from: cursor, to: writer) }
    )
  }

  /// The accounts that `account=` names, each once; what the token may not see does not exist.
  func accounts(
    _ names: [String],
    faults: Faults,
    _ call: Call
  ) async throws(ServiceError) -> [ID<Account>] {
    var accounts: [ID<Account>] = []
    for name in Set(names) {
      if let id = ID<Account>(text: name), call.access.allows(id),
        try await store.account(id) != nil
      {
        accounts.append(id)
      } else {
        faults.addValue("?account", .notFound, "There is no such account.")
      }
    }
    return accounts
  }

  private func start(after lastEventID: String?) async throws(ServiceError) -> FeedCursor {
    guard let lastEventID, !lastEventID.isEmpty else { return try await store.feedCursor() }
    let cursor: FeedCursor
    do throws(ServiceError) {
      cursor = try EventStream.cursor(lastEventID, cursors)
    } catch {
      throw ServiceError(
        .cursorInvalid,
        "Last-Event-ID is no id of an event of this service; connect without it and list again.",
        fields: [
          FieldError(
            pointer: "?lastEventId",
            code: FaultCode.format.rawValue,
            detail: "The id of an event is wanted."
          )
        ]
      )
    }
    try await store.checkResumable(cursor)
    return cursor
  }
}

/// One open stream of server-sent events (WHATWG HTML §9.2).
///
///     retry: 1400                      ← once; a wait of its own for each client
///     id: AWkAAAGa…                    ← where the stream begins; names no event, but is what a client resumes from
///
///     id: AWkAAAGb…
///     event: change
///     data: {"accountId":"acc_…","oldState":"s…-7","newState":"s…-8","hasMore":false,"messages":{…},…}
///
///     : nothing new                    ← the heartbeat, with the place where the feed stands by now
///     id: AWkAAAGc…
///
/// First what lies behind `Last-Event-ID` is read from the table, then the hub tells of what comes. Its queue is short: a
/// client that reads slower than events come loses its stream, not an event, since it resumes from the table.
struct EventStream: Sendable {
  let store: Store
  let hub: FeedHub
  let cursors: CursorCoder
  let token: ID<Token>
  let accounts: [ID<Account>]?
  let nouns: FeedNouns

  private static let nounTable: [(name: String, noun: FeedNouns)] = [
    ("messages", .messages), ("mailboxes", .mailboxes), ("threads", .threads),
    ("submissions", .submissions), ("operations", .operations), ("jobs", .jobs),
    ("rules", .rules), ("account", .account),
  ]

  /// What `types=` takes.
  static let nounNames = nounTable.map(\.name)

  static func nouns(_ names: Set<String>) -> FeedNouns {
    nounTable.reduce(into: []) { nouns, entry in
      if names.contains(entry.name) { nouns.insert(entry.noun) }
    }
  }

  /// Writes until the client, the token or the service goes.
  func write(from start: FeedCursor, to writer: HTTPResponseWriter) async throws {
    guard let loop = EventLoop.current else { return }
    var cursor = start
    let base = Int(hub.limits.reconnect / .milliseconds(1))
    let wait = base + Int.random(in: 0...max(base, 1))
    try await writer.write(Array("retry: \(wait)\nid: \(id(cursor))\n\n".utf8))
    try await catchUp(&cursor, writer)
    guard
      let (subscription, joinedAt) = hub.subscribe(
        token: token,
        accounts: accounts,
        nouns: nouns,
        at: cursor.position
      )
    else { return }
    defer { subscription.cancel() }
    if joinedAt > cursor.position { try await catchUp(&cursor, writer) }
    while true {
      switch await subscription.next(by: .after(hub.limits.heartbeat), on: loop) {
      case .end: return
      case .silence(let position):
        cursor.position = max(cursor.position, position)
        try await writer.write(Array(": nothing new\nid: \(id(cursor))\n\n".utf8))
      case .events(let events):
        var bytes: [UInt8] = []
        for event in events where event.transaction.cursor.position > cursor.position {
          cursor = event.transaction.cursor
          bytes += event.bytes(for: nouns, encode)
        }
        try await writer.write(bytes)
      }
    }
  }

  /// Writes what the table holds behind `cursor`, a page at a time.
  private func catchUp(_ cursor: inout FeedCursor, _ writer: HTTPResponseWriter) async throws {
    var hasMore = true
    while hasMore, !writer.isDraining {
      let slice = try await store.feedSlice(
        after: cursor.position,
        accounts: accounts,
        limit: hub.limits.readRows
      )
      var bytes: [UInt8] = []
      for transaction in slice.transactions
      where !transaction.changes.nouns.isDisjoint(with: nouns) {
        bytes += encode(transaction)
      }
      try await writer.write(bytes)
      cursor.position = slice.position
      hasMore = slice.hasMore
    }
  }

  private func encode(_ transaction: FeedTransaction) -> [UInt8] {
    var bytes = Array("id: \(id(transaction.cursor))\nevent: change\ndata: ".utf8)
    var json = JSONWriter(capacity: 1024)
    ChangesJSON.write(
      transaction.changes,
      since: transaction.oldState,
      account: transaction.account,
      nouns: nouns,
      to: &json
    )
    bytes += json.finish()
    bytes += [0x0A, 0x0A]
    return bytes
  }

  private static let list = "events"

  private func id(_ cursor: FeedCursor) -> String {
    let position = cursor.position
    return cursors.encode(
      [.int(cursor.epoch), .int(position.xid), .int(position.account), .int(position.seq)],
      list: Self.list
    )
  }

  /// The place that an id names; throws `cursor_invalid` where it is not one that this service gave.
  static func cursor(_ id: String, _ cursors: CursorCoder) throws(ServiceError) -> FeedCursor {
    let values = try cursors.decode(id, list: list)
    guard values.count == 4, case .int(let epoch) = values[0], case .int(let xid) = values[1],
      case .int(let account) = values[2], case .int(let seq) = values[3]
    else { throw CursorCoder.invalid }
    return FeedCursor(
      epoch: epoch,
      position: FeedPosition(xid: xid, account: account, seq: seq)
    )
  }
}
