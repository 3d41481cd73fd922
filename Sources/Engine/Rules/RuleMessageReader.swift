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
  let read: Read
  /// What conditions may call each mailbox, in lower case.
  private let mailboxNames: [ID<Mailbox>: [String]]

  init(
    account: AccountRules,
    store: Store,
    read: @escaping Read
  ) {
    self.account = account
    self.store = store
    self.read = read
    mailboxNames = Dictionary(
      account.mailboxes.map { mailbox in
        let names = [mailbox.id.description, mailbox.role ?? "", mailbox.name, mailbox.path]
        return (mailbox.id, names.map { $0.lowercased() })
      }
    ) { first, _ in first }
  }

  /// The bytes of a section, and whether there are more than are read.
  typealias Read =
    @Sendable (ID<Message>, RuleSection, ID<Account>) async throws -> (
      bytes: [UInt8], isTruncated: Bool
    )

  /// How much of a message has to be read.
  enum RuleSection: Sendable {
    case header, message
  }

  /// A message with what `needs` asks for; nil where there is no such message any more.
  func message(
    _ id: ID<Message>,
    needs: RuleNeeds,
    envelope: DeliveryEnvelope?
  ) async throws -> StoredRuleMessage? {
    guard let row = try await store.ruleMessages([id], of: account.account.id).first else {
      return nil
    }
    return try await message(row, needs, envelope)
  }

  /// Messages with what `needs` asks for, in the order of `ids`; those that are gone are left out.
  func messages(_ ids: [ID<Message>], needs: RuleNeeds) async throws -> [StoredRuleMessage] {
    let rows = try await store.ruleMessages(ids, of: account.account.id)
    let byID = Dictionary(rows.map { ($0.id, $0) }) { first, _ in first }
    var found: [StoredRuleMessage] = []
    for id in ids {
      guard let row = byID[id] else { continue }
      found.append(try await message(row, needs, nil))
    }
    return found
  }

  private func message(
    _ row: RuleMessageRow,
    _ needs: RuleNeeds,
    _ envelope: DeliveryEnvelope?
  ) async throws -> StoredRuleMessage {
    var message: RuleMessage
    var isTruncated = false
    let unknown = ScriptEnvelope(from: "", to: "")
    if needs.body {
      let raw: [UInt8]
      (raw, isTruncated) = try await read(row.id, .message, account.account.id)
      message = RuleMessage(
        MessageParser.parse(raw),
        envelope: unknown,
        receivedAt: row.receivedAt
      )
    } else {
      let header: HeaderFields
      if needs.wholeHeader || !needs.fields.isSubset(of: KeptHeader.fields(of: row)) {
        header = HeaderFields(parsing: try await read(row.id, .header, account.account.id).bytes)
      } else {
        header = KeptHeader.header(of: row, needs.fields)
      }
      message = RuleMessage(
        header: header,
        size: row.size,
        envelope: unknown,
        receivedAt: row.receivedAt
      )
    }
    message.size = row.size
    message.hasAttachment = row.hasAttachment
    message.id = row.id
    message.thread = row.thread
    message.keywords = Set(row.keywords.map { $0.lowercased() })
    for mailbox in row.mailboxes {
      message.mailboxNames.formUnion(mailboxNames[mailbox] ?? [])
    }
    if needs.envelope { message.envelope = self.envelope(of: message.header, envelope) }
    return StoredRuleMessage(
      id: row.id,
      message: message,
      mailboxes: row.mailboxes,
      isHereAlone: row.isHereAlone,
      isTruncated: isTruncated
    )
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

extension AccountRules {
  /// Whether a message can go into a mailbox: not where a server has the one and no more the other.
  func takes(_ stored: StoredRuleMessage, into mailbox: ID<Mailbox>) -> Bool {
    stored.isHereAlone || !mailboxes.contains { $0.id == mailbox && $0.isLocal }
  }
}

/// A stored message as rules see it, and where it is.
struct StoredRuleMessage {
  var id: ID<Message>
  var message: RuleMessage
  var mailboxes: [ID<Mailbox>]
  /// Whether no server has it.
  var isHereAlone: Bool
  /// Whether the message is longer than what was read of it.
  var isTruncated = false
}

/// The header of a message as far as it is kept with every message, wherever that is.
enum KeptHeader {
  /// The fields that it has.
  static let fields: Set = [
    "from", "to", "cc", "bcc", "reply-to", "sender", "subject", "date", "list-id",
    "list-unsubscribe", "auto-submitted", "precedence", "x-priority", "importance", "sensitivity",
  ]

  /// The fields that are known of one message: of what is kept here those beside the usual ones are only in its bytes.
  static func fields(of row: RuleMessageRow) -> Set<String> { row.isKept ? usual : fields }

  private static let usual: Set = [
    "from", "to", "cc", "bcc", "reply-to", "sender", "subject", "date",
  ]

  /// Those of the fields that are `wanted`, in lower case, written anew from what is kept of them; a message that is kept
  /// here has some of them only in its bytes.
  static func header(of row: RuleMessageRow, _ wanted: Set<String>) -> HeaderFields {
    var output: [UInt8] = []
    for (name, json) in row.addresses where !json.isEmpty && wanted.contains(name.lowercased()) {
      append(name, addresses(json), to: &output)
    }
    if let subject = row.subject, wanted.contains("subject") {
      append("Subject", subject, to: &output)
    }
    if let sentAt = row.sentAt, wanted.contains("date") {
      append("Date", MIMEDate(seconds: sentAt.seconds).formatted, to: &output)
    }
    output += row.extraFields
    if let last = output.last, last != .lf { output += [.cr, .lf] }
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
