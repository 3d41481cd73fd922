package import Model
import Postgres

/// What a message is known by at the POP3 server that it came from.
package struct ServerMessage: Sendable {
  /// A unique id, and which of the messages that had it this is, from 1 on.
  package struct Key: Hashable, Sendable {
    package var uniqueID: [UInt8]
    package var ordinal: Int

    package init(uniqueID: [UInt8], ordinal: Int) {
      self.uniqueID = uniqueID
      self.ordinal = ordinal
    }
  }

  /// How far its way from the server is: the column `uidl.state`.
  package enum State: Int16, Sendable {
    /// It is here, whole.
    case kept = 0
    /// It came without its end: it is fetched once more.
    case doubtful = 1
    /// It came twice without its end, and is never deleted from the server.
    case unproven = 2
    /// The server said that it deleted it for us.
    case deleted = 3
  }

  package var key: Key
  package var state: State
  /// Of all of it.
  package var digest: [UInt8]
  /// Of its header, where no other message can have the same.
  package var headerDigest: [UInt8]?
  /// What it became here, which may be gone; nil before it is stored.
  package var message: ID<Message>?
  /// Whether the server no longer lists it.
  package var isGone = false

  package init(key: Key, state: State, digest: [UInt8], headerDigest: [UInt8]?) {
    self.key = key
    self.state = state
    self.digest = digest
    self.headerDigest = headerDigest
  }

  /// The rows of what a batch of deliveries brings.
  static func rows(
    _ sources: [(id: Int64, source: ServerMessage)],
    of account: ID<Account>
  ) -> BulkRows {
    var rows = BulkRows(
      "uidl",
      [
        ("account_id", .int8), ("uidl", .bytea), ("ordinal", .int4), ("state", .int2),
        ("message_id", .int8), ("digest", .bytea), ("header_digest", .bytea),
      ],
      capacity: sources.count * 128
    )
    for (id, source) in sources {
      rows.add { copy in
        copy.write(account.rawValue)
        copy.write(source.key.uniqueID)
        copy.write(Int32(clamping: source.key.ordinal))
        copy.write(source.state.rawValue)
        copy.write(id)
        copy.write(source.digest)
        copy.write(source.headerDigest)
      }
    }
    return rows
  }
}

/// A change of what is known of messages at their server.
package struct ServerMessageChanges: Sendable {
  /// Those that are listed under another id now, or again.
  package var renamed: [(old: ServerMessage.Key, new: ServerMessage.Key)] = []
  /// Those whose state is another.
  package var states: [ServerMessage.Key: ServerMessage.State] = [:]
  /// Those that are listed no longer.
  package var gone: [ServerMessage.Key] = []

  /// No change.
  package init() {}

  /// Whether there is none.
  package var isEmpty: Bool { renamed.isEmpty && states.isEmpty && gone.isEmpty }
}

extension Store {
  /// What is known of an account's POP3 server: every message that it had from it, and has not forgotten.
  package func serverMessages(of account: ID<Account>) async throws(ServiceError) -> [ServerMessage]
  {
    try await attempt {
      let rows = try await pool.query(
        """
        select uidl, ordinal, state, digest, header_digest, message_id, gone_at is not null
        from uidl where account_id = \(account.rawValue) order by uidl, ordinal
        """
      )
      var messages: [ServerMessage] = []
      messages.reserveCapacity(rows.count)
      for row in 0..<rows.count {
        var message = ServerMessage(
          key: ServerMessage.Key(
            uniqueID: try rows.byteArray(row, 0),
            ordinal: Int(try rows.int32(row, 1))
          ),
          state: ServerMessage.State(rawValue: try rows.int16(row, 2)) ?? .unproven,
          digest: try rows.byteArray(row, 3),
          headerDigest: try rows.optionalByteArray(row, 4)
        )
        message.message = ID(try rows.int64(row, 5))
        message.isGone = try rows.bool(row, 6)
        messages.append(message)
      }
      return messages
    }
  }

  /// The messages that need not stay on the server any more, each with the digest of its content.
  ///
  /// Only what is durable here is among them: its raw bytes are in the database, or it was deleted here.
  package func messagesToDelete(
    from account: ID<Account>,
    by retention: ServerRetention
  ) async throws(ServiceError) -> [(key: ServerMessage.Key, digest: [UInt8])] {
    let days: Int64? =
      switch retention.time {
      case .notAtAll: 0
      case .days(let days): Int64(days)
      case .forever: nil
      }
    return try await attempt {
      let rows = try await pool.query(
        """
        select u.uidl, u.ordinal, u.digest from uidl u
        where u.account_id = \(account.rawValue) and u.gone_at is null
          and u.state in (\(ServerMessage.State.kept.rawValue),
            \(ServerMessage.State.deleted.rawValue))
          and (\(retention.endsWhenRemoved) and \(Self.isRemoved)
            or u.retrieved_at <= now() - interval '1 day' * \(days) and (\(Self.isKept)
              or \(Self.isRemoved)))
        order by u.uidl, u.ordinal
        """
      )
      return try (0..<rows.count).map { row in
        let ordinal = Int(try rows.int32(row, 1))
        let key = ServerMessage.Key(uniqueID: try rows.byteArray(row, 0), ordinal: ordinal)
        return (key, try rows.byteArray(row, 2))
      }
    }
  }

  /// The raw bytes of `u` are all here.
  private static let isKept: SQL = """
    exists (select 1 from message m
      join blob b on b.account_id = m.account_id and b.id = m.blob_id
      where m.account_id = u.account_id and m.id = u.message_id and b.size = m.size
        and (b.data is not null or exists (select 1 from blob_chunk c
          where c.account_id = b.account_id and c.blob_id = b.id)))
    """

  /// The message `u` is in no mailbox here but the trash.
  private static let isRemoved: SQL = """
    not exists (select 1 from placement p
      join mailbox x on x.account_id = p.account_id and x.id = p.mailbox_id
      where p.account_id = u.account_id and p.message_id = u.message_id and not p.is_deleted
        and x.role is distinct from 'trash')
    """

  /// Records what a look at the server brought, and forgets what it has not listed for so long that it will not again.
  package func change(
    _ changes: ServerMessageChanges,
    of account: ID<Account>
  ) async throws(ServiceError) {
    guard !changes.isEmpty else { return }
    var statements: [SQL] = []
    if !changes.renamed.isEmpty { statements += renaming(changes.renamed, account) }
    if !changes.states.isEmpty { statements.append(changing(changes.states, account)) }
    if !changes.gone.isEmpty { statements += leaving(changes.gone, account) }
    try await attempt {
      try await pool.transaction { [statements] connection in
        _ = try await connection.pipeline(statements)
      }
    }
  }

  /// In two steps, since one may get the key that another has until then.
  private func renaming(
    _ renamed: [(old: ServerMessage.Key, new: ServerMessage.Key)],
    _ account: ID<Account>
  ) -> [SQL] {
    let (old, new) = (renamed.map(\.old), renamed.map(\.new))
    return [
      """
      update uidl u set ordinal = -r.place, gone_at = null
      from unnest(\(old.map(\.uniqueID)), \(old.map { Int32(clamping: $0.ordinal) }))
        with ordinality as r (uidl, ordinal, place)
      where u.account_id = \(account.rawValue) and u.uidl = r.uidl and u.ordinal = r.ordinal
      """,
      """
      update uidl u set uidl = r.uidl, ordinal = r.ordinal
      from unnest(\(old.map(\.uniqueID)), \(new.map(\.uniqueID)),
          \(new.map { Int32(clamping: $0.ordinal) }))
        with ordinality as r (old, uidl, ordinal, place)
      where u.account_id = \(account.rawValue) and u.uidl = r.old and u.ordinal = -r.place
      """,
    ]
  }

  private func changing(
    _ states: [ServerMessage.Key: ServerMessage.State],
    _ account: ID<Account>
  ) -> SQL {
    let all = Array(states)
    return """
      update uidl u set state = r.state,
        gone_at = case when r.state = \(ServerMessage.State.deleted.rawValue) then now() end
      from unnest(\(all.map(\.key.uniqueID)), \(all.map { Int32(clamping: $0.key.ordinal) }),
        \(all.map(\.value.rawValue))) as r (uidl, ordinal, state)
      where u.account_id = \(account.rawValue) and u.uidl = r.uidl and u.ordinal = r.ordinal
      """
  }

  private func leaving(_ gone: [ServerMessage.Key], _ account: ID<Account>) -> [SQL] {
    [
      """
      update uidl u set gone_at = now()
      from unnest(\(gone.map(\.uniqueID)), \(gone.map { Int32(clamping: $0.ordinal) }))
        as r (uidl, ordinal)
      where u.account_id = \(account.rawValue) and u.uidl = r.uidl and u.ordinal = r.ordinal
        and u.gone_at is null
      """,
      """
      delete from uidl where account_id = \(account.rawValue)
        and gone_at < now() - interval '90 days'
      """,
    ]
  }
}
