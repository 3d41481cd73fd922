import Bytes
import MIME
import Model
import Rules
import Sieve
import Store

/// Reads of a stored message what rules have to see of it, and no more.
struct RuleMessageReader {
  let account: AccountRules
  let store: Store
  /// Reads a section of a message, wherever it is.
  let read: @Sendable (ID<Message>, RuleSection, ID<Account>) async throws -> [UInt8]

  /// How much of a message has to be read.
  enum RuleSection: Sendable {
    case header, message
  }

  /// A message with what `needs` asks for; nil where there is no such message any more.
  func message(
    _ id: ID<Message>,
    needs: RuleNeeds,
    envelope: DeliveryEnvelope?
  ) async throws -> RuleMessage? {
    let page = try await store.message(id, of: account.account.id)
    guard page.count == 1 else { return nil }
    let row = page.row(0)
    var message: RuleMessage
    if needs.body {
      let raw = try await read(id, .message, account.account.id)
      message = RuleMessage(
        MessageParser.parse(raw),
        envelope: ScriptEnvelope(from: "", to: ""),
        receivedAt: row.receivedAt
      )
    } else {
      let header: HeaderFields
      if needs.wholeHeader || !needs.fields.isSubset(of: KeptHeader.fields) {
        header = HeaderFields(parsing: try await read(id, .header, account.account.id))
      } else {
        header = KeptHeader.header(of: row)
      }
      message = RuleMessage(
        header: header,
        size: row.size,
        envelope: ScriptEnvelope(from: "", to: ""),
        receivedAt: row.receivedAt
      )
    }
    message.size = row.size
    message.hasAttachment = row.hasAttachment
    message.id = id
    message.thread = row.threadID
    var keywords: Set<String> = []
    try row.forEachKeyword {
      keywords.insert(String(decoding: $0.array, as: UTF8.self).lowercased())
    }
    message.keywords = keywords
    let held = Set(try row.mailboxes())
    for mailbox in account.mailboxes where held.contains(mailbox.id) {
      let names = [mailbox.id.description, mailbox.role ?? "", mailbox.name, mailbox.path]
      message.mailboxNames.formUnion(names.map { $0.lowercased() })
    }
    message.envelope = self.envelope(of: message.header, envelope)
    return message
  }

  /// The envelope that a message came in, or what its header tells of it.
  func envelope(of header: HeaderFields, _ known: DeliveryEnvelope?) -> ScriptEnvelope {
    if let known { return ScriptEnvelope(from: known.from, to: known.to) }
    let own = account.account.ownAddresses
    let from: String
    if let path = header.first("Return-Path") {
      from = header.addresses(path).first?.email ?? ""
    } else {
      from = header.addresses("From")?.first?.email ?? ""
    }
    let delivered = ["Delivered-To", "X-Original-To", "Envelope-To"].lazy
      .flatMap { name in header.all(name).map { header.text($0) } }
      .first { address in own.contains { $0.lowercased() == address.lowercased() } }
    return ScriptEnvelope(from: from, to: delivered ?? account.account.email)
  }
}

/// The header of a message as far as it is kept with every message, wherever that is.
enum KeptHeader {
  /// The fields that it has.
  static let fields: Set = ["from", "to", "cc", "bcc", "reply-to", "sender", "subject", "date"]

  /// The fields, written anew from what is kept of them.
  static func header(of row: MessageRow) -> HeaderFields {
    var output: [UInt8] = []
    for (name, json) in [
      ("From", row.from.array), ("To", row.to.array), ("Cc", row.cc.array),
      ("Bcc", row.bcc.array), ("Reply-To", row.replyTo.array), ("Sender", row.sender.array),
    ] where !json.isEmpty {
      append(name, addresses(json), to: &output)
    }
    if row.hasSubject {
      append("Subject", String(decoding: row.subject.array, as: UTF8.self), to: &output)
    }
    if let sentAt = row.sentAt {
      append("Date", MIMEDate(seconds: sentAt.seconds).formatted, to: &output)
    }
    output += [.cr, .lf]
    return HeaderFields(parsing: output)
  }

  private static func append(_ name: String, _ value: String, to output: inout [UInt8]) {
    output.append(text: "\(name): ")
    // What was folded once is one line here.
    output += value.utf8.map { $0 == .cr || $0 == .lf ? .space : $0 }
    output += [.cr, .lf]
  }

  private static func addresses(_ json: [UInt8]) -> String {
    guard let value = try? JSONReader.parse(json.span) else { return "" }  // Our own column.
    let texts = (value.arrayValue ?? []).map { address in
      let email = address["email"]?.stringValue ?? ""
      guard let name = address["name"]?.stringValue, !name.isEmpty else { return email }
      let isPlain = name.utf8.allSatisfy {
        $0.isASCIILetter || $0.isASCIIDigit || $0 == .space || $0 >= 0x80
      }
      guard !isPlain else { return "\(name) <\(email)>" }
      let escaped = name.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
      return "\"\(escaped)\" <\(email)>"
    }
    return texts.joined(separator: ", ")
  }
}
