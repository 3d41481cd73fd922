package import Model
import Postgres

// Accounts of a server that have all of their mail here: each message gets its raw bytes, and what those say of its
// parts takes the place of what the server told.

/// A message of which only a server has the raw bytes, and where.
package struct UncopiedMessage: Sendable {
  package var id: ID<Message>
  /// The wire name of its mailbox.
  package var encodedName: String
  package var uidValidity: Int64
  package var uid: Int64
  /// As the server told it.
  package var size: Int64
}

/// The raw bytes of a message that a server has, and what they say of its parts.
package struct MessageCopy: Sendable {
  package var message: ID<Message>
  package var blob: RawBlob
  package var hasAttachment: Bool
  /// As the API writes them; nil where there are none.
  package var attachments: String?
  package var bodyStructure: String
  /// The ids of the parts that are shown, with commas between.
  package var textBody: String?
  package var htmlBody: String?
  package var preview: String

  package init(
    of message: ID<Message>,
    _ blob: RawBlob,
    hasAttachment: Bool,
    attachments: String?,
    bodyStructure: String,
    textBody: String?,
    htmlBody: String?,
    preview: String
  ) {
    self.message = message
    self.blob = blob
    self.hasAttachment = hasAttachment
    self.attachments = attachments
    self.bodyStructure = bodyStructure
    self.textBody = textBody
    self.htmlBody = htmlBody
    self.preview = preview
  }
}

/// How many messages of an account are kept here whole.
package struct CopyProgress: Sendable, Equatable {
  package var kept: Int64
  package var total: Int64

  package var isWhole: Bool { kept == total }
}

extension Store {
  /// How many messages an account has, and how many of them are kept here whole.
  package func copyProgress(of account: ID<Account>) async throws(ServiceError) -> CopyProgress {
    try await attempt {
      // Each is answered by an index alone.
      let rows = try await pool.query(
        """
        select (select count(*) from message
            where account_id = \(account.rawValue) and blob_id is not null),
          (select count(*) from message where account_id = \(account.rawValue))
        """
      )
      return CopyProgress(kept: try rows.int64(0, 0), total: try rows.int64(0, 1))
    }
  }

  /// The newest messages of which only the server has the raw bytes, but those in `passedOver`.
  package func uncopiedMessages(
    of account: ID<Account>,
    except passedOver: [ID<Message>],
    limit: Int
  ) async throws(ServiceError) -> [UncopiedMessage] {
    try await attempt {
      let rows = try await pool.query(
        """
        select m.id, b.encoded_name, coalesce(b.uid_validity, 0), p.uid, m.size
        from message m
        cross join lateral (select mailbox_id, uid from placement p
          where p.account_id = m.account_id and p.message_id = m.id and p.uid is not null
          limit 1) as p
        join mailbox b on b.account_id = m.account_id and b.id = p.mailbox_id
        where m.account_id = \(account.rawValue) and m.blob_id is null
          and m.id <> all (\(passedOver.map(\.rawValue)))
        order by m.received_at desc, m.id desc limit \(Int64(limit))
        """
      )
      return try (0..<rows.count).map { row in
        UncopiedMessage(
          id: ID(try rows.int64(row, 0)),
          encodedName: try rows.string(row, 1),
          uidValidity: try rows.int64(row, 2),
          uid: try rows.int64(row, 3),
          size: try rows.int64(row, 4)
        )
      }
    }
  }

  /// Keeps the raw bytes of messages, durably when this returns; one that is gone, or kept already, is left out.
  package func keep(
    _ copies: [MessageCopy],
    of account: ID<Account>
  ) async throws(ServiceError) {
    guard !copies.isEmpty else { return }
    try await attempt {
      let fresh = try await ids.take(copies.count, from: pool)
      try await mailTransaction(account) { connection in
        let rows = try await connection.query(
          """
          select id from message where account_id = \(account.rawValue)
            and id = any (\(copies.map(\.message.rawValue))) and blob_id is null for update
          """
        )
        let wanted = Set(try (0..<rows.count).map { try rows.int64($0, 0) })
        let kept = zip(fresh, copies).filter { wanted.contains($1.message.rawValue) }
        guard !kept.isEmpty else { return }
        // The server's copy may be deleted for this one: whatever the database's commits are else, this one waits for the disk.
        _ = try await connection.query(
          """
          select set_config('synchronous_commit', 'on', true)
          where current_setting('synchronous_commit') = 'off'
          """
        )
        try await insertBlobs(kept.map { ($0, $1.blob) }, of: account, on: connection)
        _ = try await connection.query(copyStatement(kept.map { ($0, $1) }, account))
        try await append(
          [FeedEntry(.message, .updated, kept.map(\.1.message.rawValue).sorted())],
          to: account,
          keptBytes: kept.reduce(0) { $0 + $1.1.blob.size },
          on: connection
        )
      }
    }
  }

  private func copyStatement(
    _ kept: [(blob: Int64, copy: MessageCopy)],
    _ account: ID<Account>
  ) -> SQL {
    """
    update message m set blob_id = c.blob_id, has_attachment = c.has_attachment,
      attachments = c.attachments, body_structure = c.body_structure, text_body = c.text_body,
      html_body = c.html_body, preview = coalesce(m.preview, c.preview), version = version + 1
    from unnest(\(kept.map(\.copy.message.rawValue))::bigint[], \(kept.map(\.blob))::bigint[],
        \(kept.map(\.copy.hasAttachment))::boolean[], \(kept.map(\.copy.attachments))::text[],
        \(kept.map(\.copy.bodyStructure))::text[], \(kept.map(\.copy.textBody))::text[],
        \(kept.map(\.copy.htmlBody))::text[], \(kept.map(\.copy.preview))::text[])
      as c (id, blob_id, has_attachment, attachments, body_structure, text_body, html_body, preview)
    where m.account_id = \(account.rawValue) and m.id = c.id
    """
  }
}
