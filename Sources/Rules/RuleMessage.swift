package import Bytes
package import MIME
package import Model
package import Sieve

/// A message as rules see it, and what is known of it beside its bytes.
package struct RuleMessage: Sendable {
  /// Its header: whole, or that part of it which the rules look at.
  package var header: HeaderFields
  /// Its size in bytes.
  package var size: Int64
  /// The whole of it; rules that look at the header alone run without.
  package var parsed: ParsedMessage?
  /// The envelope it came in, as far as it is known.
  package var envelope: ScriptEnvelope
  package var receivedAt: Timestamp
  /// In JMAP's form, lower case.
  package var keywords: Set<String> = []
  /// Ids, roles, names and paths of the mailboxes that hold it, in lower case.
  package var mailboxNames: Set<String> = []
  package var hasAttachment = false
  package var id: ID<Message>?
  package var thread: ID<MessageThread>?

  /// A whole message.
  package init(_ parsed: ParsedMessage, envelope: ScriptEnvelope, receivedAt: Timestamp) {
    header = parsed.header
    size = Int64(parsed.bytes.count)
    hasAttachment = BodyViews(of: parsed.bodyStructure).hasAttachment
    self.parsed = parsed
    self.envelope = envelope
    self.receivedAt = receivedAt
  }

  /// A message of which only the header is at hand.
  package init(
    header: HeaderFields,
    size: Int64,
    envelope: ScriptEnvelope,
    receivedAt: Timestamp
  ) {
    self.header = header
    self.size = size
    self.envelope = envelope
    self.receivedAt = receivedAt
  }
}

/// What rules know beside the message: whose they are, and what they refer to.
package struct RuleContext: Sendable {
  /// The addresses of the account, its identities included.
  package var ownAddresses: [String]
  /// The entries of the lists that conditions name: addresses, and domains with or without an `@` before them.
  package var lists: [ID<AddressListing>: [String]]
  /// The clock.
  package var now: Timestamp

  package init(
    ownAddresses: [String],
    lists: [ID<AddressListing>: [String]] = [:],
    now: Timestamp
  ) {
    self.ownAddresses = ownAddresses
    self.lists = lists
    self.now = now
  }
}

/// What of a message rules have to see.
package struct RuleNeeds: Sendable, Equatable {
  /// Header fields, by their names in lower case.
  package var fields: Set<String> = []
  /// Whether every field.
  package var wholeHeader = false
  /// Whether all of the message.
  package var body = false
  /// Whether the envelope that it came in.
  package var envelope = false

  package init() {}

  /// What the enabled ones of `rules` look at.
  package init(of rules: [Rule]) {
    for leaf in rules.flatMap({ $0.condition?.leaves ?? [] }) {
      switch leaf.content {
      case .term(let term): add(term)
      case .test(let test): add(test.property)
      case .and, .or, .none: break
      }
    }
    // Whether a change of the header changes anything only the whole of it tells.
    if rules.contains(where: { $0.actions.contains(where: \.edits) }) { wholeHeader = true }
  }

  private mutating func add(_ term: SearchTerm) {
    switch term {
    case .field(.body, _), .field(.filename, _), .word, .phrase: body = true
    case .field(.list, _): fields.insert("list-id")
    case .field(let field, _): fields.insert(field.rawValue)
    case .header(let name, _): fields.insert(name.lowercased())
    default: break
    }
  }

  private mutating func add(_ property: MessageProperty) {
    switch property {
    case .address(let addresses, _), .addressCount(let addresses):
      fields.formUnion(addresses.fieldNames)
    case .header(let name), .headerCount(let name): fields.insert(name)
    case .anyHeader: wholeHeader = true
    case .envelope:
      envelope = true
      fields.insert("return-path")
    case .body, .attachmentName, .attachmentType, .kind: body = true
    case .importance: fields.formUnion(["importance", "x-priority"])
    case .addressedToMe: fields.formUnion(["to", "cc"])
    case .date(.sent, _), .age(.sent): fields.insert("date")
    case .date, .age, .keyword: break
    }
  }
}
