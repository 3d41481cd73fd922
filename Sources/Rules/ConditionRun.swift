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
  let values: MessageValues
  let rules: CompiledRules
  let now: Timestamp
  /// The keywords with those that earlier rules gave or took.
  let keywords: Set<String>

  private var message: RuleMessage { values.message }

  /// Whether the condition holds; no more of it is looked at than that takes.
  func holds(_ condition: CompiledCondition) -> Bool {
    switch condition.content {
    case .and(let parts): parts.allSatisfy { holds($0) }
    case .or(let parts): parts.contains { holds($0) }
    case .none(let parts): !parts.contains { holds($0) }
    case .term(let term, let matcher): holds(term, matcher)
    case .test(let test, let matcher): holds(test, matcher)
    case .listed(let fields, let entries):
      fields.contains { values.addresses(of: $0).contains { entries.hold($0) } }
    }
  }

  /// Whether the condition holds, and by which of its clauses.
  func evaluate(_ condition: CompiledCondition) -> ConditionOutcome {
    switch condition.content {
    case .and(let parts): return decide(parts, wanted: false)
    case .or(let parts): return decide(parts, wanted: true)
    case .none(let parts):
      let outcome = decide(parts, wanted: true)
      return ConditionOutcome(holds: !outcome.holds, deciding: outcome.deciding)
    case .term, .test, .listed:
      return ConditionOutcome(holds: holds(condition), deciding: [condition.pointer])
    }
  }

  /// What parts come to of which one that is `wanted` decides, and else all together.
  private func decide(_ parts: [CompiledCondition], wanted: Bool) -> ConditionOutcome {
    let outcomes = parts.map { evaluate($0) }
    let deciding = outcomes.filter { $0.holds == wanted }
    let holds = deciding.isEmpty ? !wanted : wanted
    let chosen = deciding.isEmpty ? outcomes : deciding
    return ConditionOutcome(holds: holds, deciding: chosen.flatMap(\.deciding))
  }

  // MARK: - Terms of search

  private func holds(_ term: SearchTerm, _ matcher: ValueMatcher?) -> Bool {
    switch term {
    case .field(let field, _): return matches(matcher, texts(of: field))
    case .header(let name, let value):
      let texts = values.texts(of: name)
      return value == nil ? !texts.isEmpty : matches(matcher, texts)
    case .word(let text): return values.words.holds(text, isPrefix: true)
    case .phrase(let text): return values.words.holds(text, isPrefix: false)
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

  private func texts(of field: SearchField) -> [ComparedText] {
    switch field {
    case .body: values.bodyTexts
    case .filename: values.partNames
    case .list: values.texts(of: "list-id")
    case .from, .to, .cc, .bcc, .subject: values.texts(of: field.rawValue)
    }
  }

  private func matches(_ matcher: ValueMatcher?, _ texts: [ComparedText]) -> Bool {
    guard let matcher else { return false }
    return texts.contains { matcher.matches($0) }
  }

  // MARK: - Tests

  private func holds(_ test: MessageTest, _ matcher: ValueMatcher?) -> Bool {
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
      let days = (now.seconds - then.seconds) / 86_400
      return test.comparison == .over ? days > limit : days < limit
    case .addressCount(let addresses):
      let count = addresses.fieldNames.reduce(0) {
        $0 + values.addresses(of: $1).count
      }
      return compare(count, test)
    case .headerCount(let name): return compare(values.texts(of: name).count, test)
    default: return matches(matcher, texts(of: test.property))
    }
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

  private func texts(of property: MessageProperty) -> [ComparedText] {
    switch property {
    case .address(let addresses, .name):
      addresses.fieldNames.flatMap { name in
        message.header.all(name).flatMap { message.header.addresses($0) }
      }.compactMap { $0.name.map { ComparedText($0) } }
    case .address(let addresses, let part):
      addresses.fieldNames.flatMap { name in
        values.parts(part.rawValue, of: name) { $0[part] }
      }
    case .envelope(let end, let part):
      [ComparedAddress(end == .from ? message.envelope.from : message.envelope.to)]
        .compactMap { $0[part] }.map { ComparedText($0) }
    case .header(let name): values.texts(of: name)
    case .anyHeader: values.allTexts
    case .body: values.bodyTexts
    case .attachmentName: values.partNames
    case .attachmentType:
      (message.parsed?.parts ?? []).flatMap { ComparedValues.mediaTypes(in: $0.header) }
        .map { ComparedText($0) }
    case .date(let source, let part):
      date(source).flatMap { ComparedValues.datePart(part.rawValue, of: $0) }
        .map { [ComparedText($0)] } ?? []
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

  private func isAddressed(_ kind: MessageProperty.AddressedToMe) -> Bool {
    func names(_ field: String) -> Bool {
      values.addresses(of: field).contains { rules.own.contains($0.all.map(\.asciiLowercased)) }
    }
    switch kind {
    case .toMe: return names("to")
    case .ccMe: return names("cc")
    case .toOrCcMe: return names("to") || names("cc")
    case .onlyToMe:
      let count = ["to", "cc"].reduce(0) { $0 + values.addresses(of: $1).count }
      return names("to") && count == 1
    }
  }

  private var importance: String {
    func says(_ word: ValueMatcher, _ digits: ValueMatcher) -> Bool {
      matches(word, values.texts(of: "importance"))
        || matches(digits, values.texts(of: "x-priority"))
    }
    if says(.high, .highDigits) { return "high" }
    return says(.low, .lowDigits) ? "low" : "normal"
  }

  private func isOf(_ kind: MessageKind) -> Bool {
    switch kind {
    case .automaticReply: return matches(.autoReplied, values.texts(of: "auto-submitted"))
    case .automatic:
      let automatic = values.texts(of: "auto-submitted")
      return !automatic.isEmpty && !matches(.no, automatic)
    case .deliveryReport: return names("report-type", "delivery-status", [message.header])
    case .readReceipt: return names("report-type", "disposition-notification", [message.header])
    case .meetingRequest: return names("method", "REQUEST", headers)
    case .meetingResponse: return names("method", "REPLY", headers)
    case .signed: return hasType(["multipart/signed"])
    case .encrypted: return hasType(MessageKind.encryptedTypes)
    case .mailingList: return !values.texts(of: "list-id").isEmpty
    }
  }

  private var headers: [HeaderFields] { message.parsed?.parts.map(\.header) ?? [message.header] }

  private func names(_ parameter: String, _ value: String, _ headers: [HeaderFields]) -> Bool {
    let matcher = ValueMatcher(.is, [value])
    return headers.contains { header in
      ComparedValues.parameters([parameter], in: header)
        .contains { matcher.matches(ComparedText($0)) }
    }
  }

  private func hasType(_ types: [String]) -> Bool {
    ComparedValues.mediaTypes(in: message.header).contains { types.contains($0) }
  }
}

extension ValueMatcher {
  fileprivate static let high = ValueMatcher(.is, ["high"])
  fileprivate static let highDigits = ValueMatcher(.begins, ["1", "2"])
  fileprivate static let low = ValueMatcher(.is, ["low"])
  fileprivate static let lowDigits = ValueMatcher(.begins, ["4", "5"])
  fileprivate static let autoReplied = ValueMatcher(.contains, ["auto-replied"])
  fileprivate static let no = ValueMatcher(.is, ["no"])
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
