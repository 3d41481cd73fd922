import Bytes
import MIME
import Model
import Sieve

/// Whether a condition holds, and the clauses that made it so.
package struct ConditionOutcome: Sendable, Equatable {
  package var holds: Bool
  /// JSON pointers, from the condition on, to the clauses that decided.
  package var deciding: [String]
}

/// One condition held against one message.
///
/// The values that are compared are those of Sieve's tests, so that a rule comes to the same here and as a script.
struct ConditionRun {
  let message: RuleMessage
  let context: RuleContext
  /// The keywords with those that earlier rules gave or took.
  let keywords: Set<String>

  func evaluate(_ query: LocatedQuery) -> ConditionOutcome {
    switch query.content {
    case .and(let parts): return decide(parts, wanted: false)
    case .or(let parts): return decide(parts, wanted: true)
    case .none(let parts):
      let outcome = decide(parts, wanted: true)
      return ConditionOutcome(holds: !outcome.holds, deciding: outcome.deciding)
    case .term(let term):
      return ConditionOutcome(holds: holds(term), deciding: [query.place])
    case .test(let test):
      return ConditionOutcome(holds: holds(test), deciding: [query.place])
    }
  }

  /// What parts come to of which one that is `wanted` decides, and else all together.
  private func decide(_ parts: [LocatedQuery], wanted: Bool) -> ConditionOutcome {
    let outcomes = parts.map { evaluate($0) }
    let deciding = outcomes.filter { $0.holds == wanted }
    let holds = deciding.isEmpty ? !wanted : wanted
    let chosen = deciding.isEmpty ? outcomes : deciding
    return ConditionOutcome(holds: holds, deciding: chosen.flatMap(\.deciding))
  }

  // MARK: - Terms of search

  private func holds(_ term: SearchTerm) -> Bool {
    switch term {
    case .field(let field, let text): return contains(text, in: texts(of: field))
    case .header(let name, let value):
      let texts = ComparedValues.texts(of: name, in: message.header)
      return value.map { contains($0, in: texts) } ?? !texts.isEmpty
    case .word(let text): return MessageWords(message).holds(text, isPrefix: true)
    case .phrase(let text): return MessageWords(message).holds(text, isPrefix: false)
    case .mailbox(let name): return message.mailboxNames.contains(name.lowercased())
    case .state(.unread): return !keywords.contains("$seen")
    case .state(let state): return keywords.contains("$\(state.rawValue)")
    case .hasAttachment: return message.hasAttachment
    case .before(let time): return message.receivedAt < time
    case .after(let time): return message.receivedAt >= time
    case .larger(let size): return message.size > size
    case .smaller(let size): return message.size < size
    case .thread(let id): return message.thread == id
    case .id(let id): return message.id == id
    }
  }

  private func texts(of field: SearchField) -> [[UInt8]] {
    switch field {
    case .body: message.parsed.map { ComparedValues.bodyTexts(of: $0) } ?? []
    case .filename: partNames
    case .list: ComparedValues.texts(of: "list-id", in: message.header)
    case .from, .to, .cc, .bcc, .subject:
      ComparedValues.texts(of: field.rawValue, in: message.header)
    }
  }

  private var partNames: [[UInt8]] {
    let parts = message.parsed?.parts ?? []
    return parts.flatMap { ComparedValues.parameters(["filename", "name"], in: $0.header) }
      .map { [UInt8]($0.utf8) }
  }

  private func contains(_ text: String, in values: [[UInt8]]) -> Bool {
    let matcher = ValueMatcher(.contains, [text])
    return values.contains { matcher.matches($0) }
  }

  // MARK: - Tests

  private func holds(_ test: MessageTest) -> Bool {
    switch test.property {
    case .addressedToMe(let kind): return isAddressed(kind)
    case .importance: return test.values.contains(importance)
    case .kind: return test.values.contains { MessageKind(rawValue: $0).map(isOf) ?? false }
    case .keyword:
      return test.values.contains { keywords.contains($0.lowercased()) }
    case .age(let source):
      guard let then = date(source), let limit = test.values.first.flatMap({ Int64($0) }) else {
        return false
      }
      let days = (context.now.seconds - then.seconds) / 86_400
      return test.comparison == .over ? days > limit : days < limit
    case .addressCount(let addresses):
      let count = addresses.fieldNames.reduce(0) {
        $0 + ComparedValues.addresses(of: $1, in: message.header).count
      }
      return compare(count, test)
    case .headerCount(let name):
      return compare(ComparedValues.texts(of: name, in: message.header).count, test)
    default: break
    }
    if test.comparison == .inList { return isListed(test) }
    let matcher = ValueMatcher(test.comparison ?? .is, test.values)
    return values(of: test.property).contains { matcher.matches($0) }
  }

  private func compare(_ count: Int, _ test: MessageTest) -> Bool {
    test.values.contains { value in
      let limit = Int(value) ?? 0
      return switch test.comparison {
      case .over: count > limit
      case .under: count < limit
      default: count == limit
      }
    }
  }

  private func values(of property: MessageProperty) -> [[UInt8]] {
    switch property {
    case .address(let addresses, .name):
      addresses.fieldNames.flatMap { name in
        message.header.all(name).flatMap { message.header.addresses($0) }
      }.compactMap { $0.name.map { [UInt8]($0.utf8) } }
    case .address(let addresses, let part):
      addresses.fieldNames.flatMap { ComparedValues.addresses(of: $0, in: message.header) }
        .compactMap { $0[part] }
    case .envelope(let end, let part):
      [ComparedAddress(end == .from ? message.envelope.from : message.envelope.to)]
        .compactMap { $0[part] }
    case .header(let name): ComparedValues.texts(of: name, in: message.header)
    case .anyHeader: ComparedValues.allTexts(in: message.header)
    case .body: message.parsed.map { ComparedValues.bodyTexts(of: $0) } ?? []
    case .attachmentName: partNames
    case .attachmentType:
      (message.parsed?.parts ?? []).flatMap { ComparedValues.mediaTypes(in: $0.header) }
        .map { [UInt8]($0.utf8) }
    case .date(let source, let part):
      date(source).flatMap { ComparedValues.datePart(part.rawValue, of: $0) }
        .map { [[UInt8]($0.utf8)] } ?? []
    default: []
    }
  }

  /// A date in UTC.
  private func date(_ source: MessageProperty.DateOf) -> MIMEDate? {
    switch source {
    case .received: MIMEDate(seconds: message.receivedAt.seconds)
    case .sent:
      ComparedValues.date(of: "date", in: message.header).map { MIMEDate(seconds: $0.seconds) }
    }
  }

  private func isListed(_ test: MessageTest) -> Bool {
    let lists = test.values.compactMap { ID<AddressListing>(text: $0) }
    let entries = ListEntries(lists.flatMap { context.lists[$0] ?? [] })
    guard case .address(let addresses, _) = test.property else { return false }
    return addresses.fieldNames.contains { name in
      ComparedValues.addresses(of: name, in: message.header).contains { entries.hold($0) }
    }
  }

  private func isAddressed(_ kind: MessageProperty.AddressedToMe) -> Bool {
    let own = Set(context.ownAddresses.map { [UInt8]($0.utf8).map(\.asciiLowercased) })
    func names(_ field: String) -> Bool {
      ComparedValues.addresses(of: field, in: message.header).contains {
        own.contains($0.all.map(\.asciiLowercased))
      }
    }
    switch kind {
    case .toMe: return names("to")
    case .ccMe: return names("cc")
    case .toOrCcMe: return names("to") || names("cc")
    case .onlyToMe:
      let count = ["to", "cc"].reduce(0) {
        $0 + ComparedValues.addresses(of: $1, in: message.header).count
      }
      return names("to") && count == 1
    }
  }

  private var importance: String {
    func says(_ word: String, _ digits: [String]) -> Bool {
      let isNamed = ComparedValues.texts(of: "importance", in: message.header)
        .contains { ValueMatcher(.is, [word]).matches($0) }
      return isNamed
        || ComparedValues.texts(of: "x-priority", in: message.header)
          .contains { ValueMatcher(.begins, digits).matches($0) }
    }
    if says("high", ["1", "2"]) { return "high" }
    return says("low", ["4", "5"]) ? "low" : "normal"
  }

  private func isOf(_ kind: MessageKind) -> Bool {
    let automatic = ComparedValues.texts(of: "auto-submitted", in: message.header)
    switch kind {
    case .automaticReply: return contains("auto-replied", in: automatic)
    case .automatic:
      return !automatic.isEmpty && !automatic.contains { ValueMatcher(.is, ["no"]).matches($0) }
    case .deliveryReport: return names("report-type", "delivery-status", [message.header])
    case .readReceipt: return names("report-type", "disposition-notification", [message.header])
    case .meetingRequest: return names("method", "REQUEST", headers)
    case .meetingResponse: return names("method", "REPLY", headers)
    case .signed: return hasType(["multipart/signed"])
    case .encrypted: return hasType(MessageKind.encryptedTypes)
    case .mailingList: return !ComparedValues.texts(of: "list-id", in: message.header).isEmpty
    }
  }

  private var headers: [HeaderFields] { message.parsed?.parts.map(\.header) ?? [message.header] }

  private func names(_ parameter: String, _ value: String, _ headers: [HeaderFields]) -> Bool {
    let matcher = ValueMatcher(.is, [value])
    return headers.contains { header in
      ComparedValues.parameters([parameter], in: header)
        .contains { matcher.matches([UInt8]($0.utf8)) }
    }
  }

  private func hasType(_ types: [String]) -> Bool {
    ComparedValues.mediaTypes(in: message.header).contains { types.contains($0) }
  }
}

extension MessageKind {
  /// The media types of encrypted messages (RFC 1847, RFC 8551).
  static let encryptedTypes = [
    "multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime",
  ]
}

extension ComparedAddress {
  fileprivate subscript(_ part: MessageProperty.AddressPart) -> [UInt8]? {
    switch part {
    case .address: all
    case .local: localPart
    case .domain: domain
    case .user: user
    case .detail: detail
    case .name: nil
    }
  }
}
