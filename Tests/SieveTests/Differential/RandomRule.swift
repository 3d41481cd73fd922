import TestSupport

/// Tests of Sieve at random: whatever the grammar allows over a small vocabulary.
struct RandomRule {
  var random: SeededRandom
  /// Whether it may look at the raw body, which Pigeonhole loses the end of once a header was changed: see PigeonholeDifferences.
  var seesRawBody = true

  /// What rules may use; a script of them requires it all.
  static let capabilities = [
    "fileinto", "envelope", "variables", "relational", "comparator-i;ascii-numeric", "subaddress",
    "index", "date", "body", "mime", "imap4flags", "regex", "encoded-character", "copy",
    "reject", "vacation", "editheader", "enotify", "foreverypart", "extracttext",
  ]

  static let fields = [
    "subject", "Subject", "x-twice", "x-number", "x-empty", "x-blank", "x-folded", "x-none",
    "message-id", "from", "to",
  ]
  static let addressFields = ["from", "to", "cc", "reply-to", "sender"]

  // MARK: Strings

  static func quoted(_ text: String) -> String {
    let escaped = text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
    return "\"\(escaped)\""
  }

  private func list(_ texts: [String]) -> String {
    let quoted = texts.map(Self.quoted)
    return quoted.count == 1 ? quoted[0] : "[\(quoted.joined(separator: ", "))]"
  }

  private mutating func value() -> String {
    switch random.number(0...9) {
    case 0: return ""
    case 1: return RandomMail.address(&random)
    case 2: return random.pick(RandomMail.locals)
    case 3: return random.pick(RandomMail.domains)
    case 4: return random.several(RandomMail.words, upTo: 3).joined(separator: " ")
    default: return random.pick(RandomMail.words)
    }
  }

  /// A piece of a value, for `:contains`.
  private mutating func piece() -> String {
    let value = value()
    guard value.count > 1 else { return value }
    let start = random.number(0...value.count - 1)
    return String(value.dropFirst(start).prefix(random.number(1...value.count)))
  }

  private mutating func pattern() -> String {
    var pattern = ""
    for _ in 0..<random.number(1...4) {
      switch random.number(0...5) {
      case 0, 1: pattern += "*"
      case 2: pattern += "?"
      case 3: pattern += random.pick(["\\*", "\\?", "\\\\"])
      default: pattern += piece()
      }
    }
    return random.chance(60)
      ? Self.withoutLostMarks("*\(pattern)*") : Self.withoutLostMarks(pattern)
  }

  /// The pattern without each `?` that a star follows: there Pigeonhole loses count of them, see
  /// PigeonholeDifferences.
  private static func withoutLostMarks(_ pattern: String) -> String {
    guard let star = pattern.lastIndex(of: "*") else { return pattern }
    var kept = ""
    var isQuoted = false
    for (index, character) in zip(pattern.indices, pattern) {
      if character != "?" || isQuoted || index > star { kept.append(character) }
      isQuoted = character == "\\" && !isQuoted
    }
    return kept
  }

  private mutating func expression() -> String {
    random.pick([
      "hello", "^hello", "l+o", "(a+)(b*)", "[0-9]+", "^$", "(hello|world)", "w.*d", "r.port$",
      "[a-c]{2}", "(an?n?)", "\\.", "^(.)(.*)$", "[^a-z ]", "x|42",
    ])
  }

  // MARK: Matches

  /// A comparator, a match type and keys, in the order they stand in a test.
  private mutating func match(substrings: Bool = true) -> (tags: String, keys: String) {
    var tags: [String] = []
    var comparator = random.pick(["", "", "i;octet", "i;ascii-casemap", "i;ascii-numeric"])
    let type = random.pick(
      substrings
        ? [
          "", ":is", ":contains", ":contains", ":matches", ":matches", ":value", ":count", ":regex",
        ]
        : ["", ":is", ":value", ":count"]
    )
    if [":contains", ":matches", ":regex"].contains(type), comparator == "i;ascii-numeric" {
      comparator = ""
    }
    if type == ":count" { comparator = "i;ascii-numeric" }
    if !comparator.isEmpty { tags.append(":comparator \"\(comparator)\"") }
    let keys: [String]
    switch type {
    case ":contains": keys = (0..<random.number(1...3)).map { _ in piece() }
    case ":matches": keys = (0..<random.number(1...2)).map { _ in pattern() }
    case ":regex": keys = [expression()]
    case ":count": keys = [String(random.number(0...4))]
    default:
      // Two values without a number are equal (RFC 4790 §9.1.1) but in Pigeonhole: see
      // PigeonholeDifferences.
      let isNumeric = comparator == "i;ascii-numeric" && type != ":value"
      keys = (0..<random.number(1...3)).map { _ in
        isNumeric ? random.pick(["42", "042", "7x", "100", "0"]) : value()
      }
    }
    if [":value", ":count"].contains(type) {
      tags.append("\(type) \"\(random.pick(["gt", "ge", "lt", "le", "eq", "ne"]))\"")
    } else if !type.isEmpty {
      tags.append(type)
    }
    return (tags.shuffled(using: &random).joined(separator: " "), list(keys))
  }

  private mutating func part() -> String {
    random.pick(["", "", ":all", ":localpart", ":domain", ":user", ":detail"])
  }

  private mutating func index(_ tags: String) -> String {
    // Pigeonhole counts otherwise with an index: see PigeonholeDifferences.
    guard random.chance(20), !tags.contains(":count") else { return "" }
    return ":index \(random.number(1...3))\(random.chance(40) ? " :last" : "")"
  }

  // MARK: Tests

  /// A test, with others in it down to a depth.
  mutating func test(depth: Int = 2) -> String {
    switch random.number(0...(depth > 0 ? 16 : 13)) {
    case 0...3: return header()
    case 4...6: return address()
    case 7: return envelope()
    case 8: return "exists \(list(random.several(Self.fields + ["cc", "received"], upTo: 2)))"
    case 9:
      let limit = random.pick(["1", "200", "300", "400", "500", "1K", "10K", "0"])
      return "size \(random.pick([":over", ":under"])) \(limit)"
    case 10: return date()
    case 11: return body()
    case 12: return mime()
    case 13: return random.pick(["true", "false"])
    case 14: return "not \(test(depth: depth - 1))"
    default:
      let tests = (0..<random.number(1...3)).map { _ in test(depth: depth - 1) }
      return "\(random.pick(["anyof", "allof"])) (\(tests.joined(separator: ", ")))"
    }
  }

  mutating func header() -> String {
    let (tags, keys) = match()
    return "header \(index(tags)) \(tags) \(list(random.several(Self.fields, upTo: 2))) \(keys)"
  }

  mutating func address() -> String {
    let (tags, keys) = match()
    let fields = list(random.several(Self.addressFields, upTo: 2))
    return "address \(index(tags)) \(part()) \(tags) \(fields) \(keys)"
  }

  private mutating func envelope() -> String {
    let (tags, keys) = match()
    return "envelope \(part()) \(tags) \(list([random.pick(["from", "to"])])) \(keys)"
  }

  private mutating func date() -> String {
    let zone = random.pick([
      ":originalzone", ":zone \"+0000\"", ":zone \"-0530\"", ":zone \"+1300\"",
    ])
    let part = random.pick([
      "year", "month", "day", "date", "julian", "hour", "minute", "second", "time", "iso8601",
      "std11", "zone", "weekday",
    ])
    let value = random.pick([
      "2020", "2026", "11", "02", "24", "2020-01-01", "59173", "10", "22", "00", "59", "10:11:12",
      "2020-01-01T00:00:00+00:00", "Tue, 24 Nov 2026 10:11:12 +0200", "+0200", "+0000", "2", "3",
    ])
    let match = random.pick([
      "", ":is", ":contains", ":value \"ge\"", ":value \"lt\"", ":matches",
      ":value \"gt\" :comparator \"i;ascii-numeric\"",
    ])
    let key = match == ":matches" ? "*\(value)*" : value
    return "date \(zone) \(match) \"\(random.pick(["date", "received"]))\" \"\(part)\" \"\(key)\""
  }

  private mutating func body() -> String {
    let transform = random.pick([
      seesRawBody ? ":raw" : ":text", ":text", ":content \"text\"",
      ":content \"application/pdf\"",
    ])
    let key = Self.quoted(random.pick(RandomMail.words + ["hello world", "AB", "Content-Type"]))
    return
      "body \(transform) :contains \(random.chance(30) ? ":comparator \"i;octet\"" : "") \(key)"
  }

  private mutating func mime() -> String {
    let scope = random.chance(70) ? ":mime :anychild" : ":mime"
    switch random.number(0...3) {
    case 0:
      return
        "header \(scope) :type :is \"content-type\" \(list([random.pick(["text", "application", "multipart"])]))"
    case 1:
      return
        "header \(scope) :subtype :is \"content-type\" \(list([random.pick(["plain", "pdf", "mixed"])]))"
    case 2:
      let type = random.pick(["text/plain", "application/pdf", "multipart/mixed"])
      return "header \(scope) :contenttype :is \"content-type\" \(list([type]))"
    default:
      return
        "header \(scope) :param [\"filename\", \"name\"] :contains [\"content-disposition\", \"content-type\"] \"pdf\""
    }
  }

  /// A test that sets match variables.
  mutating func matching() -> String {
    let type = random.chance(70) ? ":matches" : ":regex"
    let key = type == ":matches" ? "*\(pattern())" : expression()
    return random.chance(60)
      ? "header \(type) \"\(random.pick(Self.fields))\" \(Self.quoted(key))"
      : "address \(part()) \(type) \"\(random.pick(Self.addressFields))\" \(Self.quoted(key))"
  }
}
