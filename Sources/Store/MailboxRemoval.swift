import Model
import Postgres

extension Store {
  /// Removes a mailbox and what only it held; what the feed must say of it.
  ///
  /// Intents that it was part of go too. What they showed is taken back first, the last one first: a
  /// message on its way into the mailbox is where the server still has it. Without `buries` no message can come back.
  func removeMailbox(
    _ id: ID<Mailbox>,
    of account: ID<Account>,
    buries: Bool = true,
    on connection: PostgresConnection
  ) async throws -> [FeedEntry] {
    let intents = try await operations(
      of: account,
      where: "(o.mailbox_id = \(id.rawValue) or o.target_mailbox_id = \(id.rawValue))",
      on: connection
    )
    let underWay = intents.filter { $0.state == "pending" || $0.state == "running" }
    var others: Set<Int64> = []
    for intent in underWay.reversed() {
      others.formUnion(try await revert(intent, account, on: connection))
    }
    others.remove(id.rawValue)
    let results = try await connection.pipeline([
      """
      delete from operation where account_id = \(account.rawValue)
        and id = any (\(intents.map(\.id.rawValue)))
      """,
      """
      delete from placement where account_id = \(account.rawValue)
        and mailbox_id = \(id.rawValue)
      returning message_id
      """,
      "delete from mailbox where account_id = \(account.rawValue) and id = \(id.rawValue)",
    ])
    var messages = Set(underWay.map(\.message.rawValue))
    for row in 0..<results[1].count { messages.insert(try results[1].int64(row, 0)) }
    let destroyed = try await destroyUnplaced(
      messages.sorted(),
      of: account,
      buries: buries,
      on: connection
    )
    let left = messages.subtracting(destroyed).sorted()
    try await touch(left, of: account, on: connection)
    if !others.isEmpty { try await recount(others.sorted(), of: account, on: connection) }
    return [
      FeedEntry(.message, .destroyed, destroyed), FeedEntry(.message, .updated, left),
      FeedEntry(.operation, .destroyed, intents.map(\.id.rawValue)),
      FeedEntry(
        .mailbox,
        .updated,
        others.sorted(),
        properties: ["totalMessages", "unreadMessages"]
      ),
      FeedEntry(.mailbox, .destroyed, [id.rawValue]),
    ]
  }
}
