import Bytes
package import Model
import Postgres

/// What an archive says of a message, and where its bytes are.
package struct ExportedMessage: Sendable {
  package var id: ID<Message>
  package var keywords: [String]
  package var receivedAt: Int64
  package var size: Int64
  /// Where its bytes are kept here; nil where only a server has them.
  package var blob: ID<Blob>?
}

extension Store {
  /// What archives say of `messages`, in their order, as they stand in `mailbox` or in whichever they are; those that are gone are left out.
  package func exportedMessages(
    _ messages: [ID<Message>],
    in mailbox: ID<Mailbox>?,
    of account: ID<Account>
  ) async throws(ServiceError) -> [ExportedMessage] {
    try await attempt {
      let rows = try await pool.query(
        """
        select m.id, p.keywords, p.received_at, m.size, m.blob_id
        from unnest(\(messages.map(\.rawValue))::bigint[]) with ordinality as wanted (id, place)
        join message m on m.account_id = \(account.rawValue) and m.id = wanted.id
        cross join lateral (
          select p.keywords, p.received_at from placement p
          where p.account_id = \(account.rawValue) and p.message_id = m.id and not p.is_deleted
            and p.mailbox_id = coalesce(\(mailbox?.rawValue), p.mailbox_id)
          order by p.mailbox_id limit 1) as p
        order by wanted.place
        """
      )
      return try (0..<rows.count).map { row in
        ExportedMessage(
          id: ID(try rows.int64(row, 0)),
          keywords: try rows.stringArray(row, 1).sorted(),
          receivedAt: try rows.timestamp(row, 2).seconds,
          size: try rows.int64(row, 3),
          blob: try rows.optionalInt64(row, 4).map { ID($0) }
        )
      }
    }
  }

  /// Every keyword that one of `messages` has.
  package func keywords(
    of messages: [ID<Message>],
    in account: ID<Account>
  ) async throws(ServiceError) -> Set<String> {
    try await attempt {
      let rows = try await pool.query(
        """
        select distinct unnest(p.keywords)
        from unnest(\(messages.map(\.rawValue))::bigint[]) as wanted (id)
        join placement p on p.account_id = \(account.rawValue) and p.message_id = wanted.id
        """
      )
      return Set(try (0..<rows.count).map { try rows.string($0, 0) })
    }
  }

  /// The compressed chunks of `blobs`, each blob's in their order, read in one go; for blobs that are small together.
  package func compressedBlobs(
    _ blobs: [ID<Blob>],
    of account: ID<Account>
  ) async throws(ServiceError) -> [ID<Blob>: [[UInt8]]] {
    try await attempt {
      let rows = try await pool.query(
        """
        select b.id, coalesce(b.data, c.data)
        from unnest(\(blobs.map(\.rawValue))::bigint[]) as wanted (id)
        join blob b on b.account_id = \(account.rawValue) and b.id = wanted.id
        left join blob_chunk c on c.account_id = b.account_id and c.blob_id = b.id
        where b.data is not null or c.data is not null
        order by b.id, c.position
        """
      )
      var found: [ID<Blob>: [[UInt8]]] = [:]
      for row in 0..<rows.count {
        found[ID(try rows.int64(row, 0)), default: []].append(try rows.byteArray(row, 1))
      }
      return found
    }
  }
}
