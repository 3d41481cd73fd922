package import Model
import Postgres

/// A raw message that is to be kept in a mailbox.
package struct Delivery: Sendable {
  package var mailbox: ID<Mailbox>
  package var message: NewMessage
  package var blob: RawBlob
  /// Settled with the delivery, where a request that must not be done twice asked for it.
  package var claim: IdempotencyClaim?
  /// Whether it is refused where the account would keep more than it may.
  package var isLimited = true
  /// What it is known by at the POP3 server that it comes from: recorded with it, so that it comes once.
  package var source: ServerMessage?
  /// The envelope of new mail, at which rules look; nil for what is imported, filed or drafted here.
  package var envelope: DeliveryEnvelope?

  package init(_ message: NewMessage, _ blob: RawBlob, into mailbox: ID<Mailbox>) {
    self.mailbox = mailbox
    self.message = message
    self.blob = blob
  }
}

/// The envelope that mail came in, as far as it is known.
package struct DeliveryEnvelope: Sendable, Equatable {
  /// The reverse-path; empty for the null one.
  package var from: String
  package var to: String

  package init(from: String, to: String) {
    self.from = from
    self.to = to
  }
}

extension Store {
  /// Keeps messages and shows them at once; they are durable when this returns.
  ///
  /// One transaction and one row of the feed for all of them. A message in a mailbox of a server is queued to be appended there
  /// as well. What is refused (there is no such mailbox, the account would keep more than it or `quota` lets it) holds up no other.
  ///
  /// - Returns: The id of each message, or why it was refused.
  package func deliver(
    _ batch: [Delivery],
    to account: ID<Account>,
    quota: Int64? = nil
  ) async throws(ServiceError) -> [Result<ID<Message>, ServiceError>] {
    try await attempt {
      let fresh = try await ids.take(batch.count * 3, from: pool)
      return try await mailTransaction(
        account,
        reading: lookUps(for: batch, to: account),
        isSmall: batch.count <= Self.fewRows
      ) { connection, found in
        try await deliver(batch, fresh, found, to: account, quota: quota, on: connection)
      }
    }
  }

  /// Files the copy of a sent message and marks what it answers, once, however often it is called.
  ///
  /// The draft that was sent goes: its copy takes its place. All in one transaction: nothing is forgotten. Without a copy none is filed, for good.
  package func fileSentCopy(
    of submission: SubmissionRecord,
    _ copy: Delivery?
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
        if let copy {
          for filed in try await file([copy], fresh, of: account, on: connection) {
            let envelope = DeliveryEnvelope(
              from: submission.sender,
              to: submission.recipients.first?.address ?? ""
            )
            _ = try await connection.query(arrivalStatement(filed, envelope, sentBy: account))
            tellOfArrivals(on: connection)
          }
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

  /// Keeps what the service itself made, within the caller's transaction; throws where one is refused.
  func file(
    _ batch: [Delivery],
    _ fresh: [Int64],
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> [ID<Message>] {
    let found = try await connection.pipeline(lookUps(for: batch, to: account))
    return try await deliver(batch, fresh, found, to: account, quota: nil, on: connection)
      .map { try $0.get() }
  }

  /// What has to be known of the account for a batch, under its lock.
  func lookUps(for batch: [Delivery], to account: ID<Account>) -> [SQL] {
    let mailboxes = Set(batch.map(\.mailbox.rawValue)).sorted()
    return [
      """
      select id, is_local from mailbox where account_id = \(account.rawValue)
        and id = any (\(mailboxes))
      """,
      "select kept_bytes, quota_bytes from account where id = \(account.rawValue)",
      ThreadPlan.lookUp(ThreadPlan.keys(of: batch.map(\.message.links)), of: account),
    ]
  }

  /// The rows of a batch, with three fresh ids a message: its own, of its blob, of an intent.
  ///
  /// `found` is what `lookUps` found. With `upToRefused` what follows the first that is refused is refused as well. The feed says
  /// `entries` besides. What nothing waits for travels with the commit.
  func deliver(
    _ batch: [Delivery],
    _ fresh: [Int64],
    _ found: [PostgresRows],
    to account: ID<Account>,
    quota: Int64?,
    upToRefused: Bool = false,
    telling entries: [FeedEntry] = [],
    on connection: PostgresConnection
  ) async throws -> [Result<ID<Message>, ServiceError>] {
    var plan = try DeliveryPlan(mailboxes: found[0], account: found[1], quota: quota)
    var outcomes: [Result<ID<Message>, ServiceError>] = []
    for (place, delivery) in batch.enumerated() {
      if upToRefused, case .failure(let error)? = outcomes.last {
        outcomes.append(.failure(error))
        continue
      }
      let id = ID<Message>(fresh[place])
      do throws(ServiceError) {
        try plan.check(delivery)
        try await settle(delivery.claim, id, account, on: connection)
        plan.add(
          delivery,
          id: id.rawValue,
          blob: fresh[batch.count + place],
          intent: fresh[2 * batch.count + place]
        )
        outcomes.append(.success(id))
      } catch {
        outcomes.append(.failure(error))
      }
    }
    let threads = try ThreadPlan(known: found[2])
    try await store(plan, threads, telling: entries, of: account, on: connection)
    return outcomes
  }

  private func settle(
    _ claim: IdempotencyClaim?,
    _ id: ID<Message>,
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws(ServiceError) {
    guard claim != nil else { return }
    try await attempt {
      try await settle(
        claim,
        location: "/v1/accounts/\(account)/messages/\(id)",
        on: connection
      )
    }
  }

  private func store(
    _ plan: DeliveryPlan,
    _ threads: ThreadPlan,
    telling entries: [FeedEntry],
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    guard !plan.messages.isEmpty else { return }
    var (plan, threads) = (plan, threads)
    threads.assign(
      plan.placed.enumerated().map { (id: $0.element.id, place: $0.offset) },
      in: &plan.messages
    )
    var messages = NewMessage.messageRows(plan.messages.count)
    var placements = NewMessage.placementRows(plan.messages.count)
    for (message, place) in zip(plan.messages, plan.placed) {
      message.write(id: place.id, of: account, to: &messages)
      message.write(
        placementOf: place.id,
        in: place.mailbox,
        of: account,
        origin: PlacementOrigin(ofNewIn: place.isLocal),
        to: &placements
      )
    }
    let threadEntries = try await threads.finish(
      plan.ids,
      after: [
        RawBlob.rows(plan.blobs, of: account), messages, placements,
        ServerMessage.rows(plan.sources, of: account),
      ],
      of: account,
      on: connection
    )
    try await insertChunks(of: plan.blobs, account, on: connection)
    if !plan.intents.isEmpty {
      _ = try await connection.pipeline(plan.intents.map { $0.operation.insert($0.id, account) })
    }
    if let counted = countersStatement(plan.counters, of: account) {
      connection.beforeCommit.append(counted)
    }
    let fetched = plan.sources.map(\.id)
    if !plan.arrivals.isEmpty {
      connection.beforeCommit.append(arrivalStatement(plan.arrivals, account))
    }
    if !fetched.isEmpty { connection.beforeCommit.append(arrivalStatement(fetched, account)) }
    appendWithCommit(
      threadEntries + plan.entries + entries,
      to: account,
      keptBytes: plan.addedBytes,
      on: connection
    )
    if !plan.arrivals.isEmpty || !fetched.isEmpty { tellOfArrivals(on: connection) }
  }
}

/// What a batch of deliveries adds.
private struct DeliveryPlan {
  /// Where a message is placed.
  struct Place {
    var id: Int64
    var mailbox: ID<Mailbox>
    var isLocal: Bool
  }

  private var isLocal: [Int64: Bool] = [:]
  /// How many bytes more the account may keep; nil is without end.
  private let room: Int64?
  private(set) var addedBytes: Int64 = 0
  /// The messages, each with its place in `placed` and its blob in `blobs`.
  var messages: [NewMessage] = []
  private(set) var placed: [Place] = []
  private(set) var blobs: [(id: Int64, blob: RawBlob)] = []
  private(set) var counters: [Int64: CounterChange] = [:]
  private(set) var intents: [(id: Int64, operation: PlannedOperation)] = []
  private(set) var sources: [(id: Int64, source: ServerMessage)] = []
  /// New mail, with the envelopes it came in.
  private(set) var arrivals: [(id: Int64, envelope: DeliveryEnvelope)] = []

  init(mailboxes: PostgresRows, account: PostgresRows, quota: Int64?) throws {
    for row in 0..<mailboxes.count {
      isLocal[try mailboxes.int64(row, 0)] = try mailboxes.bool(row, 1)
    }
    let kept = try account.int64(0, 0)
    room = try (account.optionalInt64(0, 1) ?? quota).map { $0 - kept }
  }

  var ids: [Int64] { placed.map(\.id) }

  /// What the feed says, beside of threads.
  var entries: [FeedEntry] {
    [
      FeedEntry(.message, .created, ids),
      FeedEntry(
        .mailbox,
        .updated,
        counters.keys.sorted(),
        properties: ["totalMessages", "unreadMessages"]
      ),
      FeedEntry(.operation, .created, intents.map(\.id)),
    ]
  }

  /// Whether the message can be kept.
  func check(_ delivery: Delivery) throws(ServiceError) {
    guard let isLocal = isLocal[delivery.mailbox.rawValue] else {
      throw .notFound("mailbox")
    }
    guard isLocal, delivery.isLimited, let room else { return }
    guard addedBytes + delivery.blob.size <= room else {
      throw ServiceError(
        .overQuota,
        "The account may keep \(max(room - addedBytes, 0)) bytes more, and the message has \(delivery.blob.size)."
      )
    }
  }

  mutating func add(_ delivery: Delivery, id: Int64, blob: Int64, intent: Int64) {
    let isLocal = isLocal[delivery.mailbox.rawValue] ?? false
    var message = delivery.message
    message.blob = blob
    messages.append(message)
    placed.append(Place(id: id, mailbox: delivery.mailbox, isLocal: isLocal))
    blobs.append((blob, delivery.blob))
    if let source = delivery.source { sources.append((id, source)) }
    addedBytes += delivery.blob.size
    if let envelope = delivery.envelope { arrivals.append((id, envelope)) }
    counters[delivery.mailbox.rawValue, default: CounterChange()].count(
      isSeen: message.isSeen,
      isDeleted: false,
      sign: 1
    )
    guard !isLocal else { return }
    let append = PlannedOperation(
      kind: "append",
      message: id,
      mailbox: delivery.mailbox.rawValue,
      add: message.keywords,
      blob: blob
    )
    intents.append((intent, append))
  }
}
