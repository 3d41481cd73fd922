package import Model
import Postgres

// Which UIDs of a mailbox are known, and of which messages.

extension Store {
  /// The lowest of the `count` highest UIDs known below `top`; nil where none is known.
  package func lowestUID(
    of mailbox: Mailbox,
    ofNewest count: Int,
    below top: Int64 = .max
  ) async throws(ServiceError) -> Int64? {
    try await attempt {
      try await pool.query(
        """
        select min(uid) from (select uid from placement
          where account_id = \(mailbox.accountID.rawValue)
            and mailbox_id = \(mailbox.id.rawValue) and uid is not null and uid < \(top)
          order by uid desc limit \(Int64(count))) as newest
        """
      ).optionalInt64(0, 0)
    }
  }

  /// Every UID that is known of a mailbox, ascending, those of moves and deletions under way included.
  package func knownUIDs(of mailbox: Mailbox) async throws(ServiceError) -> [Int64] {
    try await attempt {
      let rows = try await pool.query(
        """
        select uid from placement where account_id = \(mailbox.accountID.rawValue)
          and mailbox_id = \(mailbox.id.rawValue) and uid is not null
        union
        select uid from operation where account_id = \(mailbox.accountID.rawValue)
          and mailbox_id = \(mailbox.id.rawValue) and kind in \(Self.leavingKinds)
          and state in ('pending', 'running') and uid is not null
        order by uid
        """
      )
      return try (0..<rows.count).map { try rows.int64($0, 0) }
    }
  }

  /// What some of the oldest and of the newest messages of a mailbox are known by, by their UIDs.
  ///
  /// Of those that a pass has seen: what was put there from here since is known by its bytes alone.
  package func sampleIdentities(
    of mailbox: Mailbox,
    count: Int
  ) async throws(ServiceError) -> [Int64: [UInt8]] {
    // Of a server without UIDNEXT all that is there was seen, once anything was.
    let end = mailbox.uidNext ?? (mailbox.syncedDownTo == nil ? 0 : .max)
    return try await attempt {
      let rows = try await pool.query(
        """
        select p.uid, m.identity from (
          (select uid, message_id from placement where account_id = \(mailbox.accountID.rawValue)
            and mailbox_id = \(mailbox.id.rawValue) and uid < \(end)
          order by uid limit \(Int64(count)))
          union
          (select uid, message_id from placement where account_id = \(mailbox.accountID.rawValue)
            and mailbox_id = \(mailbox.id.rawValue) and uid < \(end)
          order by uid desc limit \(Int64(count)))
        ) as p join message m on m.account_id = \(mailbox.accountID.rawValue) and m.id = p.message_id
        """
      )
      var found: [Int64: [UInt8]] = [:]
      for row in 0..<rows.count { found[try rows.int64(row, 0)] = try rows.byteArray(row, 1) }
      return found
    }
  }

  /// Those of `uids` that other messages than `message` are known to have in a mailbox.
  ///
  /// With `intent` only messages that were here before it was made count: ids grow with time.
  package func placedUIDs(
    _ uids: [Int64],
    in mailbox: Mailbox,
    notOf message: ID<Message>,
    before intent: ID<MailOperation>? = nil
  ) async throws(ServiceError) -> Set<Int64> {
    try await attempt {
      let rows = try await pool.query(
        """
        select uid from placement where account_id = \(mailbox.accountID.rawValue)
          and mailbox_id = \(mailbox.id.rawValue) and uid = any (\(uids))
          and message_id <> \(message.rawValue)
          and message_id < \(intent?.rawValue ?? .max)
        """
      )
      return Set(try (0..<rows.count).map { try rows.int64($0, 0) })
    }
  }

  /// Whether as many UIDs are known of a mailbox as the server has messages, and none may be unknown all the same.
  ///
  /// Those of messages hidden by `\Deleted` and of moves under way are among them.
  package func knowsUIDs(
    of mailbox: Mailbox,
    count: Int64
  ) async throws(ServiceError) -> Bool {
    try await attempt {
      let rows = try await pool.query(
        """
        select (select count(*) from placement where account_id = \(mailbox.accountID.rawValue)
            and mailbox_id = \(mailbox.id.rawValue) and uid is not null)
          + (select count(*) from operation where account_id = \(mailbox.accountID.rawValue)
            and mailbox_id = \(mailbox.id.rawValue) and kind in \(Self.leavingKinds)
            and state in ('pending', 'running') and uid is not null),
          (select is_unsure from mailbox where account_id = \(mailbox.accountID.rawValue)
            and id = \(mailbox.id.rawValue))
        """
      )
      return try rows.int64(0, 0) == count && rows.optionalBool(0, 1) != true
    }
  }

  /// Notes that the UIDs of a mailbox were compared one by one; what is fetched after that may make it unsure again.
  package func setSure(_ mailbox: Mailbox) async throws(ServiceError) {
    try await attempt {
      _ = try await pool.query(
        """
        update mailbox set is_unsure = false where account_id = \(mailbox.accountID.rawValue)
          and id = \(mailbox.id.rawValue) and is_unsure
        """
      )
    }
  }

  func setUnsure(_ mailbox: Mailbox, on connection: PostgresConnection) async throws {
    _ = try await connection.query(
      """
      update mailbox set is_unsure = true
      where account_id = \(mailbox.accountID.rawValue) and id = \(mailbox.id.rawValue)
      """
    )
  }
}
