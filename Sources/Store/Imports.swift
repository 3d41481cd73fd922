package import Model
import Postgres

extension Store {
  /// Keeps a raw message and shows it in `mailbox` at once; an intent to append it to the server is queued with it.
  package func insertImported(
    _ message: NewMessage,
    raw: [UInt8],
    into mailbox: ID<Mailbox>,
    of account: ID<Account>,
    claim: IdempotencyClaim? = nil
  ) async throws(ServiceError) -> ID<Message> {
    try await attempt {
      let fresh = try await ids.take(3, from: pool)
      return try await mailTransaction(account) { connection in
        try await settle(
          claim,
          location: "/v1/accounts/\(account)/messages/\(ID<Message>(fresh[0]))",
          on: connection
        )
        return try await importing(message, raw, into: mailbox, of: account, fresh, on: connection)
      }
    }
  }

  /// Files the copy of a sent message in `mailbox` and marks what it answers, once, however often it is called.
  ///
  /// The draft that was sent goes: its copy takes its place. All in one transaction: nothing is forgotten. Without a mailbox no copy is filed, for good.
  package func fileSentCopy(
    of submission: SubmissionRecord,
    _ message: NewMessage,
    raw: [UInt8],
    into mailbox: ID<Mailbox>?
  ) async throws(ServiceError) {
    try await attempt {
      let fresh = try await ids.take(3, from: pool)
      let account = submission.accountID
      try await mailTransaction(account) { connection in
        let claimed = try await connection.query(
          """
          update submission set is_copy_filed = true
          where account_id = \(account.rawValue) and id = \(submission.id.rawValue)
            and not is_copy_filed
          """
        )
        guard claimed.affected == 1 else { return }
        if let mailbox {
          _ = try await importing(message, raw, into: mailbox, of: account, fresh, on: connection)
          if let draft = submission.draft {
            try await intend([draft], of: account, on: connection) { $0.destroy() }
          }
        }
        guard let answered = submission.answers else { return }
        var patch = MessagePatch()
        patch.addKeywords = ["$answered"]
        try await intend([answered], of: account, on: connection) { try $0.apply(patch) }
      }
    }
  }

  /// The rows of an import, with three fresh ids: message, blob, intent.
  private func importing(
    _ message: NewMessage,
    _ raw: [UInt8],
    into mailbox: ID<Mailbox>,
    of account: ID<Account>,
    _ fresh: [Int64],
    on connection: PostgresConnection
  ) async throws -> ID<Message> {
    try await storeLocal(
      message,
      id: fresh[0],
      raw: raw,
      blob: fresh[1],
      in: mailbox,
      of: account,
      on: connection
    )
    let append = PlannedOperation(
      kind: "append",
      message: fresh[0],
      mailbox: mailbox.rawValue,
      add: message.keywords
    )
    _ = try await connection.pipeline([
      append.insert(fresh[2], account),
      """
      update operation set blob_id = \(fresh[1])
      where account_id = \(account.rawValue) and id = \(fresh[2])
      """,
    ])
    try await self.append(
      [
        FeedEntry(.message, .created, [fresh[0]]),
        FeedEntry(
          .mailbox,
          .updated,
          [mailbox.rawValue],
          properties: ["totalMessages", "unreadMessages"]
        ),
        FeedEntry(.operation, .created, [fresh[2]]),
      ],
      to: account,
      on: connection
    )
    return ID(fresh[0])
  }

  private func storeLocal(
    _ message: NewMessage,
    id: Int64,
    raw: [UInt8],
    blob: Int64,
    in mailbox: ID<Mailbox>,
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    var counters = CounterChange()
    counters.count(isSeen: message.isSeen, isDeleted: false, sign: 1)
    let updated = try await connection.query(
      """
      update mailbox set total_messages = total_messages + \(counters.total),
        unread_messages = unread_messages + \(counters.unread), version = version + 1
      where account_id = \(account.rawValue) and id = \(mailbox.rawValue)
      """
    )
    guard updated.affected == 1 else { throw ServiceError.notFound("mailbox") }
    try await insertBlob(blob, raw, leaves: message.leafRanges, of: account, on: connection)
    var threads = try ThreadPlan(
      known: try await connection.query(
        ThreadPlan.lookUp(ThreadPlan.keys(of: [message.links]), of: account)
      )
    )
    var stored = [message]
    threads.assign([(id, 0)], in: &stored)
    var messages = NewMessage.messageRows(1)
    var placements = NewMessage.placementRows(1)
    stored[0].write(id: id, of: account, to: &messages)
    message.write(
      placementOf: id,
      in: mailbox,
      of: account,
      origin: .pending,
      to: &placements
    )
    let entries = try await threads.finish(
      [id],
      after: [messages, placements],
      of: account,
      on: connection
    )
    _ = try await connection.query(
      """
      update message set blob_id = \(blob)
      where account_id = \(account.rawValue) and id = \(id)
      """
    )
    try await append(entries, to: account, on: connection)
  }
}
