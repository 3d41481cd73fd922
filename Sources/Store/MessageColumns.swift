package import Bytes
import Postgres

/// The columns of a message that hold text and JSON, in the binary form of COPY.
///
/// They are written where a message is parsed, straight from its bytes, and copied as they are when it
/// is stored. Their order is that of `Column`; one that is passed over is NULL.
package struct MessageColumns: Sendable {
  /// A column, in the place in which it is written.
  package enum Column: Int, CaseIterable, Sendable {
    case subject
    case from
    case to
    case cc
    case bcc
    case replyTo
    case sender
    case messageIDs
    case inReplyTo
    case references
    case fromText
    case toText
    case messageID
    case extraFields
    case attachments
    case bodyStructure
    case textBody
    case htmlBody
    case preview

    /// The name in the table.
    var name: String {
      switch self {
      case .subject: "subject"
      case .from: "from_addresses"
      case .to: "to_addresses"
      case .cc: "cc_addresses"
      case .bcc: "bcc_addresses"
      case .replyTo: "reply_to_addresses"
      case .sender: "sender_addresses"
      case .messageIDs: "message_ids"
      case .inReplyTo: "in_reply_to"
      case .references: "reference_ids"
      case .fromText: "from_text"
      case .toText: "to_text"
      case .messageID: "message_id"
      case .extraFields: "extra_fields"
      case .attachments: "attachments"
      case .bodyStructure: "body_structure"
      case .textBody: "text_body"
      case .htmlBody: "html_body"
      case .preview: "preview"
      }
    }
  }

  private var values: CopyWriter
  private var next = 0

  /// Columns that are all NULL so far.
  package init() { values = CopyWriter(capacity: 2048) }

  /// Text without U+0000, or NULL.
  package mutating func text(_ column: Column, _ text: String?) {
    guard let text else { return }
    advance(to: column)
    values.write(text)
  }

  /// The UTF-8 text without U+0000 that `body` appends.
  package mutating func text(_ column: Column, _ body: (inout [UInt8]) -> Void) {
    advance(to: column)
    values.write(body)
  }

  /// The JSON value that `body` writes.
  package mutating func json(_ column: Column, _ body: (inout JSONWriter) -> Void) {
    advance(to: column)
    values.write { bytes in
      // Moved into the writer and back: a copy would be one of all columns so far.
      var taken: [UInt8] = []
      swap(&taken, &bytes)
      var json = JSONWriter(appendingTo: consume taken)
      body(&json)
      bytes = json.finish()
    }
  }

  /// Appends all columns to a row.
  func write(to copy: inout CopyWriter) {
    copy.append(values)
    for _ in next..<Column.allCases.count { copy.writeNull() }
  }

  private mutating func advance(to column: Column) {
    precondition(column.rawValue >= next, "columns are written in their order")
    for _ in next..<column.rawValue { values.writeNull() }
    next = column.rawValue + 1
  }
}
