package import Bytes
package import Model
import Postgres

/// A new message that rules have to look at.
package struct RuleArrival: Sendable {
  /// Which rules look at it: those on what comes, or those on what is sent.
  package enum Trigger: String, Sendable, CaseIterable {
    case delivery, outbound
  }

  package var trigger = Trigger.delivery
  package var account: ID<Account>
  package var message: ID<Message>
  /// When it came here: rules that were enabled later leave it alone.
  package var at: Timestamp
  package var envelope: DeliveryEnvelope?
  package var attempts: Int
}

/// What rules did with one message, to be carried out as a whole or not at all.
package struct RuleEffect: Sendable {
  /// A rule that matched, and what it did as JSON.
  package struct Match: Sendable {
    package var rule: ID<MailRule>
    package var name: String
    package var actions: JSONValue
    /// Those of its actions that are not carried out, as JSON, each with why.
    package var refused: [JSONValue]

    package init(
      rule: ID<MailRule>,
      name: String,
      actions: JSONValue,
      refused: [JSONValue] = []
    ) {
      self.rule = rule
      self.name = name
      self.actions = actions
      self.refused = refused
    }
  }

  /// A reply that its recipient must not get more than once in a time (RFC 5230 §4.2).
  package struct Reply: Sendable {
    package var submission: NewSubmission
    package var tracking: String
    package var address: String
    package var until: Timestamp
    /// The place in `matches` of the rule that replies, and what is noted there, or with the script, where it may not yet.
    package var match = 0
    package var refusal = JSONValue.null
    /// A copy that is filed where it is sent (RFC 8580).
    package var copy: Delivery?

    package init(
      submission: NewSubmission,
      tracking: String,
      address: String,
      until: Timestamp
    ) {
      self.submission = submission
      self.tracking = tracking
      self.address = address
      self.until = until
    }
  }

  /// A run of a script in the place of rules, and what it did as JSON.
  package struct ScriptRun: Sendable {
    package var script: ID<SieveScript>
    package var name: String
    package var actions: JSONValue
    /// Those of them that were not carried out, each with why, as JSON.
    package var refused: [JSONValue]

    package init(
      script: ID<SieveScript>,
      name: String,
      actions: JSONValue,
      refused: [JSONValue]
    ) {
      self.script = script
      self.name = name
      self.actions = actions
      self.refused = refused
    }
  }

  /// What a script has seen, and until when it remembers it.
  package struct Mark: Sendable {
    package var digest: [UInt8]
    package var until: Timestamp

    package init(digest: [UInt8], until: Timestamp) {
      self.digest = digest
      self.until = until
    }
  }

  package var matches: [Match] = []
  package var script: ScriptRun?
  package var marks: [Mark] = []
  package var patch = MessagePatch()
  /// Whether the message goes for good.
  package var destroys = false
  /// What the message is in the end, where its header or more of it is changed.
  package var rewrite: MessageRewrite?
  /// Whether rules change its header.
  package var isEdited = false
  /// Messages that are filed besides: other versions of it, and copies of what is sent.
  package var deliveries: [Delivery] = []
  package var submissions: [NewSubmission] = []
  package var reply: Reply?
  /// Why the rules could not be run, for a person; then nothing else is done.
  package var failure: String?

  package init() {}

  /// Notes with a rule that matched, or with the script, that something is not carried out.
  mutating func refuse(_ refusal: JSONValue, match: Int) {
    if matches.indices.contains(match) {
      matches[match].refused.append(refusal)
    } else {
      script?.refused.append(refusal)
    }
  }
}

extension Store {
  // MARK: - What comes

  /// Remembers messages that a server's inbox gained for the account's rules, where it has any.
  ///
  /// None of an account whose first sync has not ended, none received over a day ago, none that is marked `\Deleted`, and no copy of
  /// a message that is here: somebody moved it, or it is what an intent of ours put, or could not put, in the place of one.
  func arrivalStatement(_ ids: [Int64], _ account: ID<Account>) -> SQL {
    """
    insert into rule_arrival (account_id, message_id)
    select m.account_id, m.id from message m
    where m.account_id = \(account.rawValue) and m.id = any (\(ids))
      and m.received_at > now() - interval '24 hours'
      and \(hasFilters(account))
      and exists (select 1 from account a
        where a.id = m.account_id and a.first_synced_at is not null)
      and not exists (select 1 from message_copy c where c.account_id = m.account_id
        and c.identity = m.identity and c.message_id = m.id)
      and not exists (select 1 from operation o join message r
          on r.account_id = o.account_id and r.id = o.message_id
        where o.account_id = m.account_id and o.kind = 'replace' and r.message_id = m.message_id
          and o.state in ('pending', 'running'))
      and not exists (select 1 from placement p
        where p.account_id = m.account_id and p.message_id = m.id and p.is_deleted)
      and not \(isFilteredElsewhere)
    on conflict do nothing
    """
  }

  /// Remembers messages that were delivered here, with their envelopes.
  func arrivalStatement(
    _ arrivals: [(id: Int64, envelope: DeliveryEnvelope)],
    _ account: ID<Account>
  ) -> SQL {
    """
    insert into rule_arrival (account_id, message_id, envelope_from, envelope_to)
    select \(account.rawValue), a.id, a.sender, a.recipient
    from unnest(\(arrivals.map(\.id))::bigint[], \(arrivals.map(\.envelope.from))::text[],
      \(arrivals.map(\.envelope.to))::text[]) as a (id, sender, recipient)
    where \(hasFilters(account))
    """
  }

  /// Whether an account has rules for new mail, or a script in their place.
  private func hasFilters(_ account: ID<Account>) -> SQL {
    """
    (exists (select 1 from rule r where r.account_id = \(account.rawValue) and r.is_enabled
      and r.trigger = 'delivery')
    or exists (select 1 from script t where t.account_id = \(account.rawValue) and t.is_active
      and t.content is not null))
    """
  }

  /// Remembers the copy of a message that was sent, for the account's rules on what it sends.
  func arrivalStatement(
    _ message: ID<Message>,
    _ envelope: DeliveryEnvelope,
    sentBy account: ID<Account>
  ) -> SQL {
    """
    insert into rule_arrival (account_id, message_id, envelope_from, envelope_to, trigger)
    select \(account.rawValue), \(message.rawValue), \(envelope.from), \(envelope.to), 'outbound'
    where exists (select 1 from rule r where r.account_id = \(account.rawValue) and r.is_enabled
      and r.trigger = 'outbound')
    on conflict do nothing
    """
  }

  /// Has who runs rules told after the commit.
  func tellOfArrivals(on connection: PostgresConnection) {
    connection.afterCommit = { [commits, arrivals] in
      commits.tell()
      arrivals.tell()
    }
  }

  // MARK: - What waits

  /// New messages whose turn has come, of accounts that are not `busy`, in the order in which they came.
  package func dueArrivals(
    at now: Timestamp,
    busy: [ID<Account>] = [],
    limit: Int
  ) async throws(ServiceError) -> [RuleArrival] {
    try await attempt {
      let rows = try await pool.query(
        """
        select account_id, message_id, at, envelope_from, envelope_to, attempts, trigger
        from rule_arrival
        where next_attempt_at <= \(now) and account_id <> all (\(busy.map(\.rawValue)))
        order by next_attempt_at, message_id limit \(Int64(limit))
        """
      )
      return try (0..<rows.count).map { row in
        let from = try rows.optionalString(row, 3)
        let to = try rows.optionalString(row, 4)
        return RuleArrival(
          trigger: RuleArrival.Trigger(rawValue: try rows.string(row, 6)) ?? .delivery,
          account: ID(try rows.int64(row, 0)),
          message: ID(try rows.int64(row, 1)),
          at: try rows.timestamp(row, 2),
          envelope: from.flatMap { from in to.map { DeliveryEnvelope(from: from, to: $0) } },
          attempts: Int(try rows.int32(row, 5))
        )
      }
    }
  }

  /// Has an arrival wait until `time` for another try.
  package func putOffArrival(
    _ arrival: RuleArrival,
    until time: Timestamp
  ) async throws(ServiceError) {
    try await attempt {
      _ = try await pool.query(
        """
        update rule_arrival set attempts = attempts + 1, next_attempt_at = \(time)
        where account_id = \(arrival.account.rawValue)
          and message_id = \(arrival.message.rawValue)
        """
      )
    }
  }

  // MARK: - What is done

  /// Carries out what rules do with a new message, once: false where that was done already.
  @discardableResult
  package func settleArrival(
    _ arrival: RuleArrival,
    _ effect: RuleEffect
  ) async throws(ServiceError) -> Bool {
    try await attempt {
      let prepared = try await prepare(effect)
      return try await mailTransaction(arrival.account) { connection in
        let claimed = try await connection.query(
          """
          delete from rule_arrival where account_id = \(arrival.account.rawValue)
            and message_id = \(arrival.message.rawValue)
          """
        )
        guard claimed.affected == 1 else { return false }
        try await carryOut(
          prepared,
          on: arrival.message,
          of: arrival.account,
          on: connection
        )
        return true
      }
    }
  }

  /// Blobs and ids of what an effect sends and files, made before a transaction begins.
  struct PreparedEffect {
    var effect: RuleEffect
    fileprivate var mail: [(submission: NewSubmission, blob: RawBlob, ids: [Int64])] = []
    fileprivate var reply: (blob: RawBlob, ids: [Int64])?
    /// Three for each of its deliveries and the copy of its reply.
    fileprivate var deliveryIDs: [Int64] = []
    /// Three for its rewrite.
    fileprivate var rewriteIDs: [Int64] = []
  }

  func prepare(_ effect: RuleEffect) async throws -> PreparedEffect {
    var prepared = PreparedEffect(effect: effect)
    for submission in effect.submissions {
      prepared.mail.append(
        (
          submission, try RawBlob(submission.message, by: compressors),
          try await ids.take(2, from: pool)
        )
      )
    }
    if let reply = effect.reply {
      prepared.reply = (
        try RawBlob(reply.submission.message, by: compressors), try await ids.take(2, from: pool)
      )
    }
    let copies = effect.deliveries.count + (effect.reply?.copy == nil ? 0 : 1)
    if copies > 0 { prepared.deliveryIDs = try await ids.take(copies * 3, from: pool) }
    if effect.rewrite != nil { prepared.rewriteIDs = try await ids.take(3, from: pool) }
    return prepared
  }

  private func carryOut(
    _ prepared: PreparedEffect,
    on message: ID<Message>,
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    var prepared = prepared
    try await send(&prepared, of: account, on: connection)
    try await rewrite(message, &prepared, of: account, on: connection)
    let effect = prepared.effect
    try await log(effect, message, account, on: connection)
    try await log(effect.matches.map { (message, $0) }, account, nil, on: connection)
    if let failure = effect.failure {
      _ = try await connection.query(
        """
        insert into rule_match (account_id, message_id, rule_name, actions, error)
        values (\(account.rawValue), \(message.rawValue), '', '[]', \(failure))
        """
      )
    }
    if effect.destroys {
      try await intend([message], of: account, on: connection) { $0.destroy() }
    } else if !effect.patch.isEmpty {
      try await intend([message], of: account, on: connection) { try $0.apply(effect.patch) }
    }
  }

  /// Queues what an effect sends, and files the copies of it.
  private func send(
    _ prepared: inout PreparedEffect,
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    var sent: [Int64] = []
    var deliveries = prepared.effect.deliveries
    for (submission, blob, ids) in prepared.mail {
      try await insert(submission, blob, ids, of: account, on: connection)
      sent.append(ids[0])
    }
    if let reply = prepared.effect.reply, let made = prepared.reply {
      if try await mayReply(reply, account, on: connection) {
        try await insert(reply.submission, made.blob, made.ids, of: account, on: connection)
        sent.append(made.ids[0])
        if let copy = reply.copy { deliveries.append(copy) }
      } else {
        prepared.effect.refuse(reply.refusal, match: reply.match)
      }
    }
    if !sent.isEmpty {
      try await append([FeedEntry(.submission, .created, sent)], to: account, on: connection)
    }
    guard !deliveries.isEmpty else { return }
    for index in deliveries.indices { deliveries[index].isLimited = false }
    let ids = Array(prepared.deliveryIDs.prefix(deliveries.count * 3))
    _ = try await file(deliveries, ids, of: account, on: connection)
  }

  /// Puts what an effect makes of a message in its place, or notes that it cannot.
  func rewrite(
    _ message: ID<Message>,
    _ prepared: inout PreparedEffect,
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    guard let rewrite = prepared.effect.rewrite, !prepared.effect.destroys else { return }
    let ids = prepared.rewriteIDs
    guard try await !self.rewrite(message, rewrite, ids, of: account, on: connection) else {
      return
    }
    for (match, refusal) in rewrite.refusals { prepared.effect.refuse(refusal, match: match) }
  }

  /// Whether nobody has answered the address in the reply's time, which begins now.
  private func mayReply(
    _ reply: RuleEffect.Reply,
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> Bool {
    let results = try await connection.pipeline([
      "delete from rule_reply where account_id = \(account.rawValue) and until < now()",
      """
      insert into rule_reply (account_id, tracking, address, until)
      values (\(account.rawValue), \(reply.tracking), \(reply.address.lowercased()),
        \(reply.until))
      on conflict do nothing
      """,
    ])
    return results[1].affected == 1
  }
}
