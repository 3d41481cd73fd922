import Bytes
package import Model
import Postgres

/// What a merge looks for that a message appearing in a mailbox may have been elsewhere.
package enum Matching: Sendable {
  /// Nothing: it is known that there is nothing equal.
  case none
  /// Messages that are here: what appears beside one is remembered as a copy.
  case copies
  /// Messages that vanished elsewhere too: what appears is such a one.
  case all
}

/// What may be the same message as one that appeared in a mailbox.
package struct RematchCandidates: Sendable {
  /// A place where the server had such a message when it was last asked.
  package struct Place: Sendable, Hashable {
    package var mailbox: ID<Mailbox>
    package var uid: Int64
    package var identity: [UInt8]
  }

  /// The identities of which there are candidates.
  package var identities: Set<[UInt8]> = []
  /// Those of messages that are here already, where an intent of ours may have brought what appeared.
  package var ours: Set<[UInt8]> = []
  /// Where to look whether they are still there.
  package var places: Set<Place> = []

  /// No candidates.
  package init() {}

  /// Adds the candidates of another batch.
  package mutating func formUnion(_ other: RematchCandidates) {
    identities.formUnion(other.identities)
    ours.formUnion(other.ours)
    places.formUnion(other.places)
  }
}

extension Store {
  /// What the messages of `batch`, which appeared in `mailbox`, may have been before: one statement.
  ///
  /// Those are messages in other places, messages that are held, and tombstones. A message that an intent of
  /// ours may have brought is matched by the intent, and only named.
  package func rematchCandidates(
    of batch: [NewMessage],
    in mailbox: Mailbox
  ) async throws(ServiceError) -> RematchCandidates {
    try await attempt {
      let account = mailbox.accountID.rawValue
      let uids = batch.compactMap(\.uid)
      let statement: SQL =
        """
        with told as materialized (
          select t.identity, t.key, t.received_at, exists (
            select 1 from operation o join message m
              on m.account_id = o.account_id and m.id = o.message_id
            where o.account_id = \(account) and o.state in ('pending', 'running')
              and (o.target_mailbox_id = \(mailbox.id.rawValue)
                or (o.kind = 'append' and o.mailbox_id = \(mailbox.id.rawValue)))
              and (m.identity = t.identity or m.message_id = t.message_id)) as is_ours
          from unnest(\(batch.map(\.identity))::bytea[], \(batch.map(\.messageID))::text[],
            \(batch.map { $0.links.message ?? 0 })::bigint[],
            \(batch.map(\.receivedAt))::timestamptz[])
            as t (identity, message_id, key, received_at)
        ), same as (\(equalMessages(mailbox.accountID)))
        select t.identity, t.is_ours, p.mailbox_id, p.uid from same s
        join told t on t.identity = s.identity
        join placement p on p.account_id = \(account) and p.message_id = s.id
        where not (p.mailbox_id = \(mailbox.id.rawValue) and p.uid is not null
            and p.uid = any (\(uids)))
        union all
        select d.identity, false, null, null from told t
        join tombstone d on d.account_id = \(account) and d.identity = t.identity
        where not t.is_ours
        """
      let isSmall = batch.count <= Self.fewRows
      let results = try await pool.pipeline(isSmall ? [Self.keepPlans, statement] : [statement])
      let rows = results[results.count - 1]
      var found = RematchCandidates()
      for row in 0..<rows.count {
        let identity = try rows.byteArray(row, 0)
        guard try !rows.bool(row, 1) else {
          found.ours.insert(identity)
          continue
        }
        found.identities.insert(identity)
        guard let mailbox = try rows.optionalInt64(row, 2), let uid = try rows.optionalInt64(row, 3)
        else { continue }
        found.places.insert(
          RematchCandidates.Place(mailbox: ID(mailbox), uid: uid, identity: identity)
        )
      }
      return found
    }
  }

  /// The ids and identities of stored messages equal to those of `told (identity, key, received_at)`.
  ///
  /// They are found by the thread that their Message-ID is of, or by the second in which they came where
  /// they have none: each row by itself, so that PostgreSQL never reads all messages of an account.
  func equalMessages(_ account: ID<Account>) -> SQL {
    """
    select m.id, t.identity, m.received_at from told t
    cross join lateral (select coalesce((select a.thread_id from thread_alias a
        where a.account_id = \(account.rawValue) and a.id = k.thread_id), k.thread_id) as thread_id
      from thread_key k where k.account_id = \(account.rawValue) and k.key = t.key limit 1) as k
    cross join lateral (select m.id, m.received_at from message m
      where m.account_id = \(account.rawValue) and m.thread_id = k.thread_id
        and m.identity = t.identity offset 0) as m
    where t.key <> 0
    union
    select m.id, t.identity, m.received_at from told t
    cross join lateral (select m.id, m.received_at from message m
      where m.account_id = \(account.rawValue) and m.received_at = t.received_at
        and m.identity = t.identity offset 0) as m
    where t.key = 0
    """
  }

  /// Messages held elsewhere and tombstones that a message appearing in `mailbox` can be.
  func rematchStatement(_ identities: [[UInt8]], _ mailbox: Mailbox) -> SQL {
    let account = mailbox.accountID.rawValue
    return """
      select p.message_id, m.identity, m.received_at, p.mailbox_id, m.email_id, false
      from placement p join message m on m.account_id = p.account_id and m.id = p.message_id
      where p.account_id = \(account) and p.uid is null
        and p.origin = \(PlacementOrigin.vanished.rawValue)
        and p.mailbox_id <> \(mailbox.id.rawValue) and m.identity = any (\(identities))
        and not exists (select 1 from placement here where here.account_id = p.account_id
          and here.mailbox_id = \(mailbox.id.rawValue) and here.message_id = p.message_id)
      union all
      select d.message_id, d.identity, d.received_at, null, null, d.is_deletion from tombstone d
      where d.account_id = \(account) and d.identity = any (\(identities))
        and d.at > now() - \(Self.tombstoneDays) * interval '1 day'
        and not exists (select 1 from message m
          where m.account_id = d.account_id and m.id = d.message_id)
      -- What was deleted from here comes last: it is to be gone, and another one equal to it is not.
      order by 4 nulls last, 6, 1
      """
  }

  /// Lets intents follow messages that another client moved to `mailbox`: they are meant for the message.
  func followMoved(
    _ moved: [(id: Int64, uid: Int64, from: Int64)],
    to mailbox: Mailbox,
    on connection: PostgresConnection
  ) async throws {
    guard !moved.isEmpty else { return }
    _ = try await connection.query(
      """
      update operation o set mailbox_id = \(mailbox.id.rawValue), uid = moved.uid
      from unnest(\(moved.map(\.id))::bigint[], \(moved.map(\.uid))::bigint[],
        \(moved.map(\.from))::bigint[]) as moved (id, uid, mailbox_id)
      where o.account_id = \(mailbox.accountID.rawValue) and o.message_id = moved.id
        and o.mailbox_id = moved.mailbox_id and o.kind in ('keywords', 'copy')
        and o.state in ('pending', 'running')
        and o.target_mailbox_id is distinct from \(mailbox.id.rawValue)
      """
    )
  }
}

/// The messages that those appearing in a mailbox can be, each taken once.
///
/// The identity says that ENVELOPE and size are equal. What moved keeps its INTERNALDATE too (RFC 3501
/// §6.4.7), which tells apart what else is equal; a message without a Message-ID is matched only where
/// it agrees. Equal ones pair in the order of their ids and UIDs. Where the server says what each is
/// (EMAILID), that decides: another is another, however equal.
struct RematchPool {
  struct Candidate {
    var id: Int64
    var receivedAt: Timestamp
    /// Where it is held; nil for a tombstone.
    var mailbox: Int64?
    /// What the server says that it is; nil where it is not known.
    var emailID: String?
    /// Whether it was deleted here, where the server did not have it any more.
    var isDeletion = false
  }

  private var candidates: [[UInt8]: [Candidate]]

  init(_ candidates: [[UInt8]: [Candidate]] = [:]) { self.candidates = candidates }

  /// Whether no message can be any of them.
  var isEmpty: Bool { candidates.isEmpty }

  init(_ rows: PostgresRows) throws {
    self.init()
    for row in 0..<rows.count {
      candidates[try rows.byteArray(row, 1), default: []].append(
        Candidate(
          id: try rows.int64(row, 0),
          receivedAt: try rows.timestamp(row, 2),
          mailbox: try rows.optionalInt64(row, 3),
          emailID: try rows.optionalString(row, 4),
          isDeletion: try rows.bool(row, 5)
        )
      )
    }
  }

  /// The one that `message` is; nil where there is none.
  mutating func take(_ message: NewMessage) -> Candidate? {
    guard let all = candidates[message.identity] else { return nil }
    let same = all.filter { Self.canBe($0.emailID, message.emailID) }
    guard let first = same.first else { return nil }
    let found =
      same.first { $0.emailID != nil && $0.emailID == message.emailID }
      ?? same.first { $0.receivedAt == message.receivedAt }
      ?? (message.messageID == nil ? nil : first)
    guard let found else { return nil }
    candidates[message.identity] = all.filter { $0.id != found.id }
    return found
  }

  private static func canBe(_ one: String?, _ other: String?) -> Bool {
    one == nil || other == nil || one == other
  }
}
