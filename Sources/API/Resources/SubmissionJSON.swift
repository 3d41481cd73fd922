import Bytes
import Model
import Store

/// The shape of a submission.
enum SubmissionJSON {
  static let members = [
    "id", "state", "identityId", "messageId", "subject", "envelope", "size", "recipients",
    "attempts", "sendAt", "undoUntil", "lastError", "createdAt",
  ]

  static func write(
    _ record: SubmissionRecord,
    _ fields: FieldSelection,
    to json: inout JSONWriter
  ) {
    json.object { json in
      json.member("id", fields) { $0.id(record.id) }
      json.member("state", fields) { $0.string(record.state) }
      json.member("identityId", fields) { $0.string(record.identityID) }
      json.member("messageId", fields) { $0.string(record.messageID) }
      json.member("subject", fields) { $0.string(record.subject) }
      json.member("envelope", fields) { json in
        json.object { json in
          json.member("mailFrom") { $0.string(record.sender) }
        }
      }
      json.member("size", fields) { $0.int(record.size) }
      json.member("recipients", fields) { json in
        json.array { json in
          for recipient in record.recipients { write(recipient, to: &json) }
        }
      }
      json.member("attempts", fields) { json in
        json.array { json in
          for attempt in record.attempts { write(attempt, to: &json) }
        }
      }
      json.member("sendAt", fields) { $0.time(record.sendAt) }
      json.member("undoUntil", fields) { $0.time(record.undoUntil) }
      json.member("lastError", fields) { $0.string(record.lastError) }
      json.member("createdAt", fields) { $0.time(record.createdAt) }
    }
  }

  private static func write(_ recipient: RecipientRecord, to json: inout JSONWriter) {
    json.object { json in
      json.member("email") { $0.string(recipient.address) }
      json.member("state") { $0.string(recipient.state) }
      json.member("reply") { $0.string(recipient.reply) }
      json.member("code") { $0.int(recipient.code.map { Int64($0) }) }
      json.member("enhancedStatus") { $0.string(recipient.enhancedStatus) }
    }
  }

  private static func write(_ attempt: AttemptRecord, to json: inout JSONWriter) {
    json.object { json in
      json.member("number") { $0.int(attempt.number) }
      json.member("startedAt") { $0.time(attempt.startedAt) }
      json.member("endedAt") { $0.time(attempt.endedAt) }
      json.member("outcome") { $0.string(attempt.outcome) }
      json.member("response") { $0.string(attempt.response) }
    }
  }
}
