import Bytes

/// What SEARCH looks for (RFC 3501 §6.4.4).
package indirect enum SearchCriteria: Hashable, Sendable {
  case all
  case uids(UIDSet)
  case flag(Flag)
  case withoutFlag(Flag)
  /// Header fields called `name` whose body holds `value`; any such field where `value` is empty.
  case header(name: String, value: String)
  case subject(String)
  case from(String)
  case to(String)
  case cc(String)
  case body(String)
  case text(String)
  case largerThan(Int)
  case smallerThan(Int)
  /// Received on the day of the date, or later.
  case since(InternalDate)
  /// Received before the day of the date.
  case before(InternalDate)
  case and([SearchCriteria])
  case or(SearchCriteria, SearchCriteria)
  case not(SearchCriteria)

  /// Whether any text in it needs a charset to be named.
  package var needsCharset: Bool { hasText { !$0.utf8.allSatisfy { $0 < 0x80 } } }

  /// Whether every text in it can be spelled in `charset`.
  package func fits(_ charset: SearchCharset) -> Bool {
    charset == .utf8 || !hasText { text in text.unicodeScalars.contains { $0.value > 0xFF } }
  }

  private func hasText(_ isWanted: (String) -> Bool) -> Bool {
    switch self {
    case .header(_, let text), .subject(let text), .from(let text), .to(let text), .cc(let text),
      .body(let text), .text(let text):
      isWanted(text)
    case .and(let all): all.contains { $0.hasText(isWanted) }
    case .or(let left, let right): left.hasText(isWanted) || right.hasText(isWanted)
    case .not(let inner): inner.hasText(isWanted)
    default: false
    }
  }

  func write(in charset: SearchCharset = .utf8, to output: inout CommandWriter) {
    switch self {
    case .all: output.text("ALL")
    case .uids(let set): output.text("UID \(set)")
    case .flag(let flag): Self.write(flag, isSet: true, to: &output)
    case .withoutFlag(let flag): Self.write(flag, isSet: false, to: &output)
    case .header(let name, let value):
      output.text("HEADER ")
      output.string(name)
      output.text(" ")
      output.string(charset.encode(value))
    case .subject(let text): output.key("SUBJECT", text, charset)
    case .from(let text): output.key("FROM", text, charset)
    case .to(let text): output.key("TO", text, charset)
    case .cc(let text): output.key("CC", text, charset)
    case .body(let text): output.key("BODY", text, charset)
    case .text(let text): output.key("TEXT", text, charset)
    case .largerThan(let size): output.text("LARGER \(max(size, 0))")
    case .smallerThan(let size): output.text("SMALLER \(max(size, 0))")
    case .since(let date): output.day("SINCE", date)
    case .before(let date): output.day("BEFORE", date)
    case .and(let all): Self.write(all, charset, to: &output)
    case .or(let left, let right):
      output.text("OR ")
      left.writeGrouped(charset, to: &output)
      output.text(" ")
      right.writeGrouped(charset, to: &output)
    case .not(let inner):
      output.text("NOT ")
      inner.writeGrouped(charset, to: &output)
    }
  }

  private func writeGrouped(_ charset: SearchCharset, to output: inout CommandWriter) {
    guard case .and = self else { return write(in: charset, to: &output) }
    output.text("(")
    write(in: charset, to: &output)
    output.text(")")
  }

  private static func write(
    _ all: [SearchCriteria],
    _ charset: SearchCharset,
    to output: inout CommandWriter
  ) {
    guard !all.isEmpty else { return output.text("ALL") }
    for (index, criteria) in all.enumerated() {
      if index > 0 { output.text(" ") }
      criteria.writeGrouped(charset, to: &output)
    }
  }

  private static func write(_ flag: Flag, isSet: Bool, to output: inout CommandWriter) {
    let keys: [Flag: String] = [
      .seen: "SEEN", .answered: "ANSWERED", .flagged: "FLAGGED", .deleted: "DELETED",
      .draft: "DRAFT",
    ]
    if let key = keys[flag] {
      output.text(isSet ? key : "UN\(key)")
    } else {
      output.text("\(isSet ? "KEYWORD" : "UNKEYWORD") \(flag)")
    }
  }
}

/// The charset of a search's texts (RFC 3501 §6.4.4).
package enum SearchCharset: Sendable {
  case utf8
  /// For servers that take nothing better.
  case latin1

  /// The bytes of `text`, which the charset can spell.
  func encode(_ text: String) -> [UInt8] {
    switch self {
    case .utf8: Array(text.utf8)
    case .latin1: text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
    }
  }
}

extension CommandWriter {
  fileprivate mutating func key(_ name: String, _ text: String, _ charset: SearchCharset) {
    self.text("\(name) ")
    string(charset.encode(text))
  }

  fileprivate mutating func day(_ name: String, _ date: InternalDate) {
    var bytes: [UInt8] = []
    date.writeDay(to: &bytes)
    text("\(name) \(String(decoding: bytes, as: UTF8.self))")
  }
}

extension ByteReader {
  /// Reads what follows `SEARCH`: numbers, to which CONDSTORE adds `(MODSEQ n)`.
  mutating func requireSearch(limit: Int) throws(IMAPSyntaxError) -> UIDSet {
    var numbers: [UID] = []
    while true {
      skipBlanks()
      guard next?.isASCIIDigit == true else { break }
      numbers.append(UID(try requireNumber32("SEARCH")))
      guard numbers.count <= limit else { throw syntaxError("at most \(limit) results") }
    }
    return UIDSet(numbers)
  }

  /// Reads what follows `ESEARCH` (RFC 4731): only `ALL` is wanted, and no more UIDs than `limit`.
  mutating func requireESearch(limit: Int) throws(IMAPSyntaxError) -> UIDSet {
    var set = UIDSet()
    skipBlanks()
    if next == 0x28 { try skipValue() }
    while true {
      skipBlanks()
      if isAtEnd { return set }
      let name = take(while: \.isIMAPWord)
      guard !name.isEmpty else { throw syntaxError("search-return-data") }
      if slice(name).equalsIgnoringCase("uid") { continue }
      skipBlanks()
      if slice(name).equalsIgnoringCase("all") {
        set = try requireUIDSet()
        guard set.count <= limit else { throw syntaxError("at most \(limit) results") }
      } else if !isAtEnd {
        try skipValue()
      }
    }
  }
}
