package import Bytes
package import Model
import Postgres

/// A slice of a list of messages, straight from PostgreSQL's rows.
package struct MessagePage: Sendable {
  let rows: PostgresRows
  let sort: MessageQuery.Sort
  /// Whether the UID takes part in the order.
  let isOfOneMailbox: Bool
  /// How many messages the page shows.
  package let count: Int
  /// Whether more messages follow.
  package let hasMore: Bool
  /// Where the feed stood when the page was read.
  package let state: FeedState

  /// The message at `index`, below `count`.
  package func row(_ index: Int) -> MessageRow { MessageRow(rows: rows, index: index) }

  /// Where the next page begins; nil on an empty page.
  package var lastPosition: MessagePosition? {
    get throws(ServiceError) {
      guard count > 0 else { return nil }
      do throws(PostgresError) {
        let last = count - 1
        let key: String
        switch sort {
        case .receivedAt, .sentAt:
          key = String(try rows.timestamp(last, MessageColumn.sortKey.rawValue).microseconds)
        case .size: key = String(try rows.int64(last, MessageColumn.sortKey.rawValue))
        case .subject, .from: key = try rows.string(last, MessageColumn.sortKey.rawValue)
        }
        let row = row(last)
        return MessagePosition(
          key: key,
          uid: isOfOneMailbox ? (row.backendUID ?? .max) : 0,
          id: row.id
        )
      } catch {
        throw ServiceError(error)
      }
    }
  }
}

/// The columns of a page, in the order in which `MessageSQL` selects them.
enum MessageColumn: Int, CaseIterable {
  case id, threadID, size, receivedAt, sentAt, version, messageIDs, inReplyTo, references, from
  case to, cc, bcc, replyTo, sender, subject, preview, hasAttachment, attachments, keywords, uid
  case mailbox, mailboxes, isPending, sortKey
  // Only of a single message.
  case bodyStructure, blobID, textBody, htmlBody
}

/// One message of a page: borrowed columns, nothing copied.
package struct MessageRow: Sendable {
  let rows: PostgresRows
  let index: Int

  /// Throws where a column holds something else than is read from it below: a fault of our SQL.
  ///
  /// Every row of a page was checked before anybody gets it, so what follows need not throw.
  func check() throws(PostgresError) {
    for column in [MessageColumn.id, .threadID, .size, .version] {
      _ = try rows.int64(index, column.rawValue)
    }
    for column in [MessageColumn.uid, .mailbox] {
      _ = try rows.optionalInt64(index, column.rawValue)
    }
    _ = try rows.timestamp(index, MessageColumn.receivedAt.rawValue)
    _ = try rows.optionalTimestamp(index, MessageColumn.sentAt.rawValue)
    _ = try rows.bool(index, MessageColumn.hasAttachment.rawValue)
    _ = try rows.bool(index, MessageColumn.isPending.rawValue)
  }

  private func number(_ column: MessageColumn) -> Int64 {
    (try? rows.int64(index, column.rawValue)) ?? 0  // Checked.
  }

  @_lifetime(borrow self)
  private func span(_ column: MessageColumn) -> Span<UInt8> {
    rows.bytes(index, column.rawValue)
  }

  package var id: ID<Message> { ID(number(.id)) }
  package var threadID: ID<MessageThread> { ID(number(.threadID)) }
  package var size: Int64 { number(.size) }
  /// Grows with every visible change; the `ETag`.
  package var version: Int64 { number(.version) }

  package var receivedAt: Timestamp {
    (try? rows.timestamp(index, MessageColumn.receivedAt.rawValue)) ?? Timestamp(microseconds: 0)
  }

  package var sentAt: Timestamp? {
    try? rows.optionalTimestamp(index, MessageColumn.sentAt.rawValue)
  }

  /// Arrays of strings as JSON; empty for none.
  package var messageIDs: Span<UInt8> { @_lifetime(borrow self) get { span(.messageIDs) } }
  package var inReplyTo: Span<UInt8> { @_lifetime(borrow self) get { span(.inReplyTo) } }
  package var references: Span<UInt8> { @_lifetime(borrow self) get { span(.references) } }

  /// Arrays of `{name, email}` as JSON; empty for none.
  package var from: Span<UInt8> { @_lifetime(borrow self) get { span(.from) } }
  package var to: Span<UInt8> { @_lifetime(borrow self) get { span(.to) } }
  package var cc: Span<UInt8> { @_lifetime(borrow self) get { span(.cc) } }
  package var bcc: Span<UInt8> { @_lifetime(borrow self) get { span(.bcc) } }
  package var replyTo: Span<UInt8> { @_lifetime(borrow self) get { span(.replyTo) } }
  package var sender: Span<UInt8> { @_lifetime(borrow self) get { span(.sender) } }

  /// An array of parts as JSON; empty for none.
  package var attachments: Span<UInt8> { @_lifetime(borrow self) get { span(.attachments) } }

  package var hasSubject: Bool { !rows.isNull(index, MessageColumn.subject.rawValue) }
  /// UTF-8 text.
  package var subject: Span<UInt8> { @_lifetime(borrow self) get { span(.subject) } }
  package var hasPreview: Bool { !rows.isNull(index, MessageColumn.preview.rawValue) }
  /// UTF-8 text.
  package var preview: Span<UInt8> { @_lifetime(borrow self) get { span(.preview) } }

  package var hasAttachment: Bool {
    (try? rows.bool(index, MessageColumn.hasAttachment.rawValue)) ?? false
  }

  /// Whether an intent of ours has not reached the server yet.
  package var isPending: Bool {
    (try? rows.bool(index, MessageColumn.isPending.rawValue)) ?? false
  }

  /// The UID in the mailbox listed; nil until the server has told it.
  package var backendUID: Int64? {
    try? rows.optionalInt64(index, MessageColumn.uid.rawValue)
  }

  /// The mailbox listed.
  package var backendMailbox: ID<Mailbox>? {
    (try? rows.optionalInt64(index, MessageColumn.mailbox.rawValue)).flatMap { $0 }.map { ID($0) }
  }

  /// Calls `body` with each keyword, in JMAP's form.
  package func forEachKeyword(_ body: (Span<UInt8>) -> Void) throws(ServiceError) {
    do throws(PostgresError) {
      try rows.forEachElement(index, MessageColumn.keywords.rawValue, body)
    } catch {
      throw ServiceError(error)
    }
  }

  /// The mailboxes that hold the message, deleted placements left out.
  package func mailboxes() throws(ServiceError) -> [ID<Mailbox>] {
    do throws(PostgresError) {
      let ids = try rows.optionalInt64Array(index, MessageColumn.mailboxes.rawValue) ?? []
      return ids.map { ID($0) }
    } catch {
      throw ServiceError(error)
    }
  }

  /// The tree of parts as JSON; empty where it is not known, or in a list.
  package var bodyStructure: Span<UInt8> { @_lifetime(borrow self) get { span(.bodyStructure) } }

  /// Arrays of parts as JSON; only of a single message.
  package var textBody: Span<UInt8> { @_lifetime(borrow self) get { span(.textBody) } }
  package var htmlBody: Span<UInt8> { @_lifetime(borrow self) get { span(.htmlBody) } }

  /// The raw message kept here, if it is; only of a single message.
  package var blobID: ID<Blob>? {
    get throws(ServiceError) {
      do throws(PostgresError) {
        return try rows.optionalInt64(index, MessageColumn.blobID.rawValue).map { ID($0) }
      } catch {
        throw ServiceError(error)
      }
    }
  }
}
