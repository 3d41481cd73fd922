package import Bytes
package import Model
import Postgres

/// What is kept of a message as far as rules look at it.
package struct RuleMessageRow: Sendable {
  package var id: ID<Message>
  package var thread: ID<MessageThread>
  package var size: Int64
  package var receivedAt: Timestamp
  package var sentAt: Timestamp?
  package var hasAttachment: Bool
  package var subject: String?
  /// Addresses as JSON by the names of their fields; empty where there are none.
  package var addresses: [(field: String, json: [UInt8])]
  /// Other fields that are kept, as they came.
  package var extraFields: [UInt8]
  /// In JMAP's form; `$seen` only where every copy has it.
  package var keywords: [String]
  /// Where it is, deleted placements left out.
  package var mailboxes: [ID<Mailbox>]
  /// Whether its raw bytes are kept here.
  package var isKept: Bool
  /// Whether it is in mailboxes here alone, and no server has it.
  package var isHereAlone: Bool
}

extension Store {
  /// What is kept of these messages; those that are gone are left out.
  package func ruleMessages(
    _ ids: [ID<Message>],
    of account: ID<Account>
  ) async throws(ServiceError) -> [RuleMessageRow] {
    try await attempt {
      let rows = try await pool.query(
        """
        select m.id, m.thread_id, m.size, m.received_at, m.sent_at, m.has_attachment, m.subject,
          m.from_addresses, m.to_addresses, m.cc_addresses, m.bcc_addresses,
          m.reply_to_addresses, m.sender_addresses, coalesce(m.extra_fields, ''),
          m.blob_id is not null, held.mailboxes, held.is_seen,
          array(select distinct k from placement p, unnest(p.keywords) as k
            where p.account_id = m.account_id and p.message_id = m.id and not p.is_deleted),
          held.is_here_alone
        from message m cross join lateral (
          select array_agg(p.mailbox_id order by p.mailbox_id) as mailboxes,
            bool_and(p.is_seen) as is_seen,
            bool_and(p.origin = \(PlacementOrigin.local.rawValue) or b.is_local) as is_here_alone
          from placement p
          join mailbox b on b.account_id = p.account_id and b.id = p.mailbox_id
          where p.account_id = m.account_id and p.message_id = m.id
            and not p.is_deleted) as held
        where m.account_id = \(account.rawValue) and m.id = any (\(ids.map(\.rawValue)))
          and held.mailboxes is not null
        """
      )
      return try (0..<rows.count).map { try ruleMessage(rows, $0) }
    }
  }

  private func ruleMessage(_ rows: PostgresRows, _ row: Int) throws -> RuleMessageRow {
    let names = ["From", "To", "Cc", "Bcc", "Reply-To", "Sender"]
    let isSeen = try rows.bool(row, 16)
    return RuleMessageRow(
      id: ID(try rows.int64(row, 0)),
      thread: ID(try rows.int64(row, 1)),
      size: try rows.int64(row, 2),
      receivedAt: try rows.timestamp(row, 3),
      sentAt: try rows.optionalTimestamp(row, 4),
      hasAttachment: try rows.bool(row, 5),
      subject: try rows.optionalString(row, 6),
      addresses: names.enumerated().map { ($0.element, rows.bytes(row, 7 + $0.offset).array) },
      extraFields: rows.bytes(row, 13).array,
      keywords: try rows.stringArray(row, 17).filter { isSeen || $0 != "$seen" },
      mailboxes: try rows.int64Array(row, 15).map { ID($0) },
      isKept: try rows.bool(row, 14),
      isHereAlone: try rows.bool(row, 18)
    )
  }
}
