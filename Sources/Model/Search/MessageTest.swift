import Bytes

/// A test of a message that rules know beside the terms of search.
///
///     { "property": "from.domain", "op": "is", "value": ["example.org", "example.com"] }
///
/// It holds where a value that the property gives and one of the values named compare as `comparison` says. ASCII letters
/// of either case are alike, as to Sieve's `i;ascii-casemap`.
package struct MessageTest: Sendable, Hashable {
  /// How a value of the message is held against a value of the rule.
  package enum Comparison: String, Sendable, CaseIterable {
    case `is`, contains, begins, ends
    /// By `*` and `?`, quoted by a backslash.
    case matches
    case regex
    /// More, or later, than the value.
    case over
    /// Less, or earlier, than the value.
    case under
    /// One of the entries of a list of addresses, which the value names.
    case inList
  }

  package var property: MessageProperty
  /// Nil for a property that is true or false by itself.
  package var comparison: Comparison?
  package var values: [String]

  package init(_ property: MessageProperty, _ comparison: Comparison?, _ values: [String]) {
    self.property = property
    self.comparison = comparison
    self.values = values
  }
}

/// What a test looks at.
package enum MessageProperty: Sendable, Hashable {
  /// A part of the addresses in some fields, by the fields' names in lower case.
  case address(Addresses, AddressPart)
  /// How many addresses there are.
  case addressCount(Addresses)
  /// The texts of the fields of this name.
  case header(String)
  /// How many fields there are of this name.
  case headerCount(String)
  /// The texts of all fields there are.
  case anyHeader
  /// A part of the sender or the recipient of the envelope.
  case envelope(EnvelopeEnd, AddressPart)
  /// The text of the message's parts.
  case body
  case attachmentName
  case attachmentType
  /// `high`, `normal` or `low`.
  case importance
  /// What kind of message it is, in the names of `MessageKind`.
  case kind
  case addressedToMe(AddressedToMe)
  /// The keywords that the message has, with those that earlier rules gave it.
  case keyword
  case date(DateOf, DatePart)
  /// How many whole days ago it was.
  case age(DateOf)

  /// Fields of addresses.
  package enum Addresses: String, Sendable, CaseIterable {
    case from, to, cc, bcc, sender, replyTo
    /// To, Cc and Bcc.
    case recipient

    /// The names of the fields, in lower case.
    package var fieldNames: [String] {
      switch self {
      case .recipient: ["to", "cc", "bcc"]
      case .replyTo: ["reply-to"]
      default: [rawValue]
      }
    }
  }

  /// A part of an address (RFC 5228 §2.7.4, RFC 5233).
  package enum AddressPart: String, Sendable, CaseIterable {
    case address, local, domain, user, detail
    /// The display name.
    case name
  }

  /// The two ends of an envelope.
  package enum EnvelopeEnd: String, Sendable, CaseIterable {
    case from, to
  }

  /// How a message is addressed to the user.
  package enum AddressedToMe: String, Sendable, CaseIterable {
    case toMe, ccMe, toOrCcMe
    /// To the user and to nobody else.
    case onlyToMe
  }

  /// Which date.
  package enum DateOf: String, Sendable, CaseIterable {
    /// That of the field `Date`.
    case sent
    case received
  }

  /// A part of a date (RFC 5260 §4.2), in UTC.
  package enum DatePart: String, Sendable, CaseIterable {
    case year, month, day, date, time, hour, weekday
  }
}

/// Kinds of messages that programs send.
package enum MessageKind: String, Sendable, CaseIterable {
  case automaticReply, automatic, deliveryReport, readReceipt, meetingRequest, meetingResponse
  case signed, encrypted, mailingList
}

extension MessageProperty {
  /// The property that `name` spells; nil where it spells none.
  package init?(name: String) {
    let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
    guard let head = parts.first else { return nil }
    let rest = parts.count > 1 ? parts[1] : nil
    switch (head, rest) {
    case ("body", nil): self = .body
    case ("subject", nil): self = .header("subject")
    case ("anyHeader", nil): self = .anyHeader
    case ("importance", nil): self = .importance
    case ("kind", nil): self = .kind
    case ("keyword", nil): self = .keyword
    case ("listId", nil): self = .header("list-id")
    case ("sensitivity", nil): self = .header("sensitivity")
    case ("attachment", "name"): self = .attachmentName
    case ("attachment", "type"): self = .attachmentType
    case ("header", .some(let field)): self.init(field: field)
    case ("envelope", .some(let end)): self.init(envelope: end)
    case (_, nil):
      if let me = AddressedToMe(rawValue: head) {
        self = .addressedToMe(me)
      } else if let addresses = Addresses(rawValue: head), addresses != .recipient {
        self = .header(addresses.fieldNames[0])
      } else {
        return nil
      }
    case (_, .some(let rest)): self.init(head, part: rest)
    }
  }

  private init?(_ head: String, part: String) {
    if let source = DateOf(rawValue: head) {
      if part == "age" {
        self = .age(source)
      } else if let part = DatePart(rawValue: part) {
        self = .date(source, part)
      } else {
        return nil
      }
      return
    }
    guard let addresses = Addresses(rawValue: head) else { return nil }
    if part == "count" {
      self = .addressCount(addresses)
    } else if let part = AddressPart(rawValue: part) {
      self = .address(addresses, part)
    } else {
      return nil
    }
  }

  private init?(field: String) {
    let isCounted = field.hasSuffix(".count")
    let name = isCounted ? String(field.dropLast(6)) : field
    let isName = !name.isEmpty && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x3A }
    guard isName, name.utf8.count <= 100 else { return nil }
    self = isCounted ? .headerCount(name.lowercased()) : .header(name.lowercased())
  }

  private init?(envelope: String) {
    let parts = envelope.split(separator: ".").map(String.init)
    guard let end = parts.first.flatMap({ EnvelopeEnd(rawValue: $0) }), parts.count <= 2 else {
      return nil
    }
    let part = parts.count == 2 ? AddressPart(rawValue: parts[1]) : .address
    guard let part, part != .name else { return nil }
    self = .envelope(end, part)
  }

  /// What the property may be compared by; empty where it is true or false by itself.
  package var comparisons: [MessageTest.Comparison] {
    switch self {
    case .address(_, .address), .address(_, .domain):
      [.is, .contains, .begins, .ends, .matches, .regex, .inList]
    case .address, .header, .envelope, .attachmentName, .attachmentType:
      [.is, .contains, .begins, .ends, .matches, .regex]
    case .anyHeader, .body: [.contains]
    case .importance, .kind, .keyword: [.is]
    case .addressedToMe: []
    case .addressCount, .headerCount, .date: [.is, .over, .under]
    case .age: [.over, .under]
    }
  }

  /// The values that may be named; nil where any may.
  package var knownValues: [String]? {
    switch self {
    case .importance: ["high", "normal", "low"]
    case .kind: MessageKind.allCases.map(\.rawValue)
    default: nil
    }
  }

  /// Whether a value may be a number of JSON, whose digits it then is.
  var takesNumbers: Bool {
    if case .date = self { return true }
    return isNumeric
  }

  /// Whether the values are whole numbers.
  package var isNumeric: Bool {
    switch self {
    case .addressCount, .headerCount, .age: true
    default: false
    }
  }
}

extension MessageTest {
  /// Reads a test from the members of a condition; one that was stored once as leniently as it was then.
  init(
    json members: [JSONValue.Member],
    at place: String,
    isStored: Bool
  ) throws(SearchSyntaxError) {
    let value = JSONValue.object(members)
    for member in members where !["property", "op", "value"].contains(member.name) {
      throw SearchSyntaxError(
        place: "\(place)/\(member.name)",
        reason: "Beside property there are op and value alone."
      )
    }
    guard let property = value["property"]?.stringValue.flatMap({ MessageProperty(name: $0) })
    else {
      throw SearchSyntaxError(
        place: place + "/property",
        reason: "A property as subject, from.domain, header.X-Name or attachment.name is wanted.",
        isOfType: value["property"]?.stringValue == nil
      )
    }
    self.init(property, nil, [])
    let allowed = property.comparisons
    guard !allowed.isEmpty else {
      guard members.count == 1 else {
        throw SearchSyntaxError(place: place, reason: "This property has neither op nor value.")
      }
      return
    }
    guard let comparison = value["op"]?.stringValue.flatMap({ Comparison(rawValue: $0) }),
      allowed.contains(comparison)
    else {
      let names = allowed.map(\.rawValue).joined(separator: ", ")
      throw SearchSyntaxError(
        place: place + "/op",
        reason: "One of \(names) is wanted.",
        isOfType: value["op"].map { $0.stringValue == nil } ?? false
      )
    }
    self.comparison = comparison
    let isNumber = isStored || property.takesNumbers
    values = try Self.values(value["value"], orNumbers: isNumber, at: place + "/value")
    try check(at: place + "/value", isStored: isStored)
  }

  private static func values(
    _ value: JSONValue?,
    orNumbers isNumber: Bool,
    at place: String
  ) throws(SearchSyntaxError) -> [String] {
    let values = value?.arrayValue ?? value.map { [$0] } ?? []
    let texts = values.compactMap { value in
      value.stringValue ?? (isNumber ? value.intValue.map { String($0) } : nil)
    }
    guard texts.count == values.count else {
      let wanted = isNumber ? "A text or a number" : "A text"
      throw SearchSyntaxError(
        place: place,
        reason: "\(wanted), or an array of them, is wanted.",
        isOfType: true
      )
    }
    guard !texts.isEmpty, texts.count <= 200,
      texts.allSatisfy({ $0.utf8.count <= 1000 && !$0.utf8.contains(0) })
    else {
      throw SearchSyntaxError(
        place: place,
        reason: "A text, or an array of 1 to 200 of them, of up to 1000 bytes each is wanted."
      )
    }
    return texts
  }

  private func check(at place: String, isStored: Bool) throws(SearchSyntaxError) {
    if let known = property.knownValues, !values.allSatisfy({ known.contains($0) }) {
      let names = known.joined(separator: ", ")
      throw SearchSyntaxError(place: place, reason: "One of \(names) is wanted.")
    }
    let isNumber = { (text: String) in
      !text.isEmpty && text.utf8.count <= 9 && text.utf8.allSatisfy(\.isASCIIDigit)
    }
    if property.isNumeric, !values.allSatisfy(isNumber) {
      throw SearchSyntaxError(place: place, reason: "A whole number is wanted.")
    }
    if comparison == .over || comparison == .under, values.count != 1 {
      throw SearchSyntaxError(place: place, reason: "One value is wanted.")
    }
    if comparison == .contains || comparison == .begins || comparison == .ends,
      values.contains(where: \.isEmpty)
    {
      throw SearchSyntaxError(place: place, reason: "It is empty: every message would match.")
    }
    if case .date(_, let part) = property,
      !values.allSatisfy({ part.isWritten($0) && (isStored || part.exists($0)) })
    {
      throw SearchSyntaxError(place: place, reason: "\(part.form) is wanted.")
    }
  }
}

extension MessageProperty.DatePart {
  /// How a value of this part is written, for a person.
  package var form: String {
    switch self {
    case .year: "A year as 2026"
    case .month: "A month as 01 to 12"
    case .day: "A day as 01 to 31"
    case .hour: "An hour as 00 to 23"
    case .date: "A day as 2026-11-22"
    case .time: "A time as 08:30:00"
    case .weekday: "A digit from 0 for Sunday to 6"
    }
  }

  /// Whether `text` is written so.
  func isWritten(_ text: String) -> Bool {
    let pattern =
      switch self {
      case .year: "0000"
      case .month, .day, .hour: "00"
      case .date: "0000-00-00"
      case .time: "00:00:00"
      case .weekday: "0"
      }
    guard text.utf8.count == pattern.utf8.count else { return false }
    return zip(text.utf8, pattern.utf8).allSatisfy { byte, model in
      model == 0x30 ? byte.isASCIIDigit : byte == model
    }
  }

  /// Whether there is a date of which this, written as it should be, is the part.
  func exists(_ text: String) -> Bool {
    let written: String
    switch self {
    case .year: written = "\(text)-01-01T00:00:00Z"
    case .month: written = "2000-\(text)-01T00:00:00Z"
    case .day: written = "2000-01-\(text)T00:00:00Z"
    case .hour: written = "2000-01-01T\(text):00:00Z"
    case .date: written = "\(text)T00:00:00Z"
    case .time: written = "2000-01-01T\(text)Z"
    case .weekday: return text < "7"
    }
    let bytes = Array(written.utf8)
    return Timestamp(rfc3339: bytes.span) != nil
  }
}
