import Bytes
package import Model
import Postgres

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
  /// Where to look whether they are still there.
  package var places: Set<Place> = []

  /// No candidates.
  package init() {}

  /// Adds the candidates of another batch.
  package mutating func formUnion(_ other: RematchCandidates) {
    identities.formUnion(other.identities)
    places.formUnion(other.places)
  }
}

extension Store {
  /// What the messages of `batch`, which appeared in `mailbox`, may have been before: one statement.
  ///
  /// Those are messages in other places, messages that are held, and tombstones. Nothing is said of a
  /// message that an intent of ours may have brought: that is matched by the intent.
  package func rematchCandidates(
    of batch: [NewMessage],
    in mailbox: Mailbox
  ) async throws(ServiceError) -> RematchCandidates {
    try await attempt {
      let account = mailbox.accountID.rawValue
      let uids = batch.compactMap(\.uid)
      let rows = try await pool.query(
        """
        with told as materialized (
          select * from unnest(\(batch.map(\.identity))::bytea[],
            \(batch.map(\.messageID))::text[], \(batch.map(\.receivedAt))::timestamptz[])
            as t (identity, message_id, received_at)
          where not exists (select 1 from operation o join message m
              on m.account_id = o.account_id and m.id = o.message_id
            where o.account_id = \(account) and o.state in ('pending', 'running')
              and (o.target_mailbox_id = \(mailbox.id.rawValue)
                or (o.kind = 'append' and o.mailbox_id = \(mailbox.id.rawValue)))
              and (m.identity = t.identity or m.message_id = t.message_id))
        ), same as (
          select m.id, m.identity from told t join message m on m.account_id = \(account)
            and m.message_id = t.message_id and m.identity = t.identity
          union
          select m.id, m.identity from told t join message m on m.account_id = \(account)
            and m.received_at = t.received_at and m.identity = t.identity
          where t.message_id is null
        )
        select s.identity, p.mailbox_id, p.uid from same s join placement p
          on p.account_id = \(account) and p.message_id = s.id
        where (p.uid is not null or p.origin = \(PlacementOrigin.vanished.rawValue))
          and not (p.mailbox_id = \(mailbox.id.rawValue) and p.uid is not null
            and p.uid = any (\(uids)))
        union all
        select d.identity, null, null from told t join tombstone d on d.account_id = \(account)
          and d.identity = t.identity
        """
      )
      var found = RematchCandidates()
      for row in 0..<rows.count {
        let identity = try rows.byteArray(row, 0)
        found.identities.insert(identity)
        guard let mailbox = try rows.optionalInt64(row, 1), let uid = try rows.optionalInt64(row, 2)
        else { continue }
        found.places.insert(
          RematchCandidates.Place(mailbox: ID(mailbox), uid: uid, identity: identity)
        )
      }
      return found
    }
  }

  /// Messages held elsewhere and tombstones that a message appearing in `mailbox` can be.
  func rematchStatement(_ identities: [[UInt8]], _ mailbox: Mailbox) -> SQL {
    let account = mailbox.accountID.rawValue
    return """
      select p.message_id, m.identity, m.received_at, p.mailbox_id, m.email_id
      from placement p join message m on m.account_id = p.account_id and m.id = p.message_id
      where p.account_id = \(account) and p.uid is null
        and p.origin = \(PlacementOrigin.vanished.rawValue)
        and p.mailbox_id <> \(mailbox.id.rawValue) and m.identity = any (\(identities))
        and not exists (select 1 from placement here where here.account_id = p.account_id
          and here.mailbox_id = \(mailbox.id.rawValue) and here.message_id = p.message_id)
      union all
      select d.message_id, d.identity, d.received_at, null, null from tombstone d
      where d.account_id = \(account) and d.identity = any (\(identities))
        and d.at > now() - \(Self.tombstoneDays) * interval '1 day'
        and not exists (select 1 from message m
          where m.account_id = d.account_id and m.id = d.message_id)
      order by 4 nulls last, 1
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
  }

  private var candidates: [[UInt8]: [Candidate]]

  init(_ candidates: [[UInt8]: [Candidate]] = [:]) { self.candidates = candidates }

  init(_ rows: PostgresRows) throws {
    self.init()
    for row in 0..<rows.count {
      candidates[try rows.byteArray(row, 1), default: []].append(
        Candidate(
          id: try rows.int64(row, 0),
          receivedAt: try rows.timestamp(row, 2),
          mailbox: try rows.optionalInt64(row, 3),
          emailID: try rows.optionalString(row, 4)
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
