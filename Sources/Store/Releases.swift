import Crypto
package import Model
import Postgres

// Offline: messages that are here whole are taken from their server, and are here alone from then on. That begins here: the
// placement loses its UID and an intent gets it, in one transaction. So at no moment is there a message that the server may have
// lost and that a sync would take for gone; and what the server still shows under that UID is no new mail.

/// A message that need not stay on its server any more.
package struct ReleasableMessage: Sendable {
  package var id: ID<Message>
  package var blob: ID<Blob>
}

extension Store {
  /// The messages that need not stay on the server of an account any more, but those in `passedOver`.
  ///
  /// Each is here whole, of the size that the server told; nothing is under way for it, and no deletion of it was refused.
  package func messagesToRelease(
    from account: ID<Account>,
    by retention: ServerRetention,
    except passedOver: [ID<Message>],
    limit: Int
  ) async throws(ServiceError) -> [ReleasableMessage] {
    let days: Int64? =
      switch retention.time {
      case .notAtAll: 0
      case .days(let days): Int64(days)
      case .forever: nil
      }
    return try await attempt {
      let rows = try await pool.query(
        """
        select distinct m.id, m.blob_id from placement p
        join message m on m.account_id = p.account_id and m.id = p.message_id
        join blob b on b.account_id = m.account_id and b.id = m.blob_id
        where p.account_id = \(account.rawValue) and p.uid is not null
          and m.id <> all (\(passedOver.map(\.rawValue))) and \(Self.isReleasable)
          and (b.created_at <= now() - interval '1 day' * \(days)
            or \(retention.endsWhenRemoved) and not exists (select 1 from placement t
              join mailbox x on x.account_id = t.account_id and x.id = t.mailbox_id
              where t.account_id = m.account_id and t.message_id = m.id
                and x.role is distinct from 'trash'))
        order by m.id limit \(Int64(limit))
        """
      )
      return try (0..<rows.count).map { row in
        ReleasableMessage(id: ID(try rows.int64(row, 0)), blob: ID(try rows.int64(row, 1)))
      }
    }
  }

  /// Whether `message m` with `blob b` may be taken from the server now.
  private static let isReleasable: SQL = """
    b.size = m.size
      and not exists (select 1 from placement o where o.account_id = m.account_id
        and o.message_id = m.id and (o.is_deleted
          or o.uid is null and o.origin <> \(PlacementOrigin.local.rawValue)))
      and not exists (select 1 from operation o where o.account_id = m.account_id
        and o.message_id = m.id and (o.state in ('pending', 'running') or o.kind = 'release'))
    """

  /// Whether the raw bytes in a blob, as they are read from the database, are those that were put there.
  package func isIntact(
    _ blob: ID<Blob>,
    of account: ID<Account>
  ) async throws(ServiceError) -> Bool {
    let stored: (digest: [UInt8], size: Int64)? = try await attempt {
      let rows = try await pool.query(
        """
        select digest, size from blob
        where account_id = \(account.rawValue) and id = \(blob.rawValue)
        """
      )
      return rows.count == 1 ? (digest: try rows.byteArray(0, 0), size: try rows.int64(0, 1)) : nil
    }
    guard let stored else { return false }
    var digest = SHA256()
    var (size, position) = (Int64(0), 0)
    while let chunk = try await blobChunk(position, of: blob, of: account) {
      digest.update(chunk.span)
      size += Int64(chunk.count)
      position += 1
    }
    let found = digest.finish()
    return position > 0 && size == stored.size && found == stored.digest
  }

  /// Makes messages, of which `isIntact` was seen, be here alone, and queues that the server is told.
  package func release(
    _ messages: [ID<Message>],
    of account: ID<Account>
  ) async throws(ServiceError) {
    try await attempt {
      try await mailTransaction(account) { connection in
        let intents = try await releases(of: messages, account, on: connection)
        guard !intents.isEmpty else { return }
        let fresh = try await ids.take(intents.count, on: connection)
        let released = Set(intents.map(\.message)).sorted()
        _ = try await connection.pipeline(
          zip(fresh, intents).map { $1.insert($0, account) } + [
            """
            update placement set uid = null, origin = \(PlacementOrigin.local.rawValue)
            where account_id = \(account.rawValue) and message_id = any (\(released))
              and uid is not null
            """
          ]
        )
        try await touch(released, of: account, on: connection)
        try await append(
          [FeedEntry(.message, .updated, released), FeedEntry(.operation, .created, fresh)],
          to: account,
          on: connection
        )
      }
    }
  }

  /// The intents that take `messages` from wherever the server has them.
  private func releases(
    of messages: [ID<Message>],
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> [PlannedOperation] {
    let rows = try await connection.query(
      """
      select p.message_id, p.mailbox_id, p.uid, p.keywords from placement p
      join message m on m.account_id = p.account_id and m.id = p.message_id
      join blob b on b.account_id = m.account_id and b.id = m.blob_id
      where p.account_id = \(account.rawValue) and p.uid is not null
        and m.id = any (\(messages.map(\.rawValue))) and \(Self.isReleasable)
      order by p.mailbox_id, p.uid for update of p
      """
    )
    return try (0..<rows.count).map { row in
      PlannedOperation(
        kind: "release",
        message: try rows.int64(row, 0),
        mailbox: try rows.int64(row, 1),
        uid: try rows.int64(row, 2),
        previous: try rows.stringArray(row, 3)
      )
    }
  }

  /// Makes those of `held` that an offline account keeps whole be here alone: leaving the server destroys nothing here.
  ///
  /// One that is in another mailbox as well, or of which a copy appeared a moment ago, was moved; but for those that vanish with it.
  func keepHeld(
    _ held: [HeldPlacement],
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    let rows = try await connection.query(
      """
      update placement p set origin = \(PlacementOrigin.local.rawValue), is_deleted = false
      from unnest(\(held.map(\.mailbox.rawValue))::bigint[],
        \(held.map(\.message.rawValue))::bigint[]) as h (mailbox_id, message_id)
      join message m on m.account_id = \(account.rawValue) and m.id = h.message_id
      where (select mode = 'offline' from account where id = \(account.rawValue))
        and p.account_id = \(account.rawValue) and p.mailbox_id = h.mailbox_id
        and p.message_id = h.message_id and p.uid is null
        and p.origin = \(PlacementOrigin.vanished.rawValue) and m.blob_id is not null
        and not exists (select 1 from placement o where o.account_id = p.account_id
          and o.message_id = p.message_id and o.mailbox_id <> p.mailbox_id
          and o.origin <> \(PlacementOrigin.vanished.rawValue))
        and not exists (select 1 from operation o where o.account_id = p.account_id
          and o.message_id = p.message_id and o.mailbox_id = p.mailbox_id
          and o.state in ('pending', 'running'))
        and not exists (select 1 from message_copy c
          join placement o on o.account_id = c.account_id and o.message_id = c.message_id
          where c.account_id = p.account_id and c.identity = m.identity
            and c.message_id <> m.id and o.origin <> \(PlacementOrigin.vanished.rawValue)
            and c.at > now() - \(Self.copyMinutes) * interval '1 minute')
      returning p.message_id, p.mailbox_id
      """
    )
    guard !rows.isEmpty else { return }
    let messages = try (0..<rows.count).map { try rows.int64($0, 0) }
    let mailboxes = Set(try (0..<rows.count).map { try rows.int64($0, 1) }).sorted()
    // Some may have been hidden as `\Deleted`.
    try await recount(mailboxes, of: account, on: connection)
    try await touch(messages, of: account, on: connection)
    try await append(
      [
        FeedEntry(.message, .updated, messages),
        FeedEntry(.mailbox, .updated, mailboxes, properties: ["totalMessages", "unreadMessages"]),
      ],
      to: account,
      on: connection
    )
  }
}
