import TestSupport

/// Scripts at random.
struct RandomScript {
  var random: SeededRandom
  /// Whether a command so far changes the header.
  private var hasEdited = false

  init(random: SeededRandom) { self.random = random }

  static var requirement: String {
    "require [\(RandomRule.capabilities.map { "\"\($0)\"" }.joined(separator: ", "))];\n"
  }

  /// Independent rules, each with a mailbox of its own, so that one run of the oracle answers them all.
  mutating func rules(_ count: Int) -> String {
    var script = Self.requirement
    for index in 0..<count {
      var rule = RandomRule(random: random)
      if rule.random.chance(25) {
        script += "if \(rule.matching()) { fileinto \"r\(index) ${0}=${1}=${2}=${3}=\"; }\n"
      } else {
        script += "if \(rule.test()) { fileinto \"r\(index)\"; }\n"
      }
      random = rule.random
    }
    return script
  }

  /// One script with everything that one rule does to the next.
  mutating func program() -> String {
    var script = Self.requirement
    for _ in 0..<random.number(1...6) { script += command(depth: 2) }
    return script
  }

  private mutating func test() -> String {
    if random.chance(25) { return flagTest() }
    if random.chance(15) { return stringTest() }
    var rule = RandomRule(random: random, seesRawBody: !hasEdited)
    defer { random = rule.random }
    return rule.test(depth: 1)
  }

  private mutating func flagTest() -> String {
    let match = random.pick([
      "", ":is", ":contains", ":matches", ":count \"ge\" :comparator \"i;ascii-numeric\"",
    ])
    let key = match.hasPrefix(":count") ? "1" : random.pick(["\\\\Seen", "$x", "b", "*e*", "s"])
    return "hasflag \(match) \"\(key)\""
  }

  private mutating func stringTest() -> String {
    // Without one Pigeonhole takes another comparator than RFC 5228 §2.7.3 says.
    "string :comparator \"i;ascii-casemap\" \(random.pick([":is", ":contains", ":matches"])) \"${\(random.pick(["v", "v", "f"]))}\" \"\(random.pick(["", "a", "*b*", "hello", "A-"]))\""
  }

  private mutating func flags() -> String {
    let flags = random.several(["\\\\Seen", "\\\\Flagged", "$x", "b", "b $x", "\\\\seen"], upTo: 2)
    return "[\(flags.map { "\"\($0)\"" }.joined(separator: ", "))]"
  }

  private mutating func block(depth: Int) -> String {
    var block = "{ "
    for _ in 0..<random.number(0...2) { block += command(depth: depth - 1) }
    return block + "}\n"
  }

  private mutating func command(depth: Int) -> String {
    switch random.number(0...(depth > 0 ? 26 : 18)) {
    case 0...2:
      let flags = random.chance(30) ? ":flags \(flags()) " : ""
      // A copy has a target of its own: see PigeonholeDifferences.
      if random.chance(30) { return "fileinto :copy \(flags)\"K\";\n" }
      return "fileinto \(flags)\"\(random.pick(["A", "B", "A.b", "INBOX"]))\";\n"
    case 3: return "keep\(random.chance(40) ? " :flags \(flags())" : "");\n"
    case 4: return "discard;\n"
    case 5:
      if random.chance(40) { return "redirect :copy \"k@example.org\";\n" }
      return "redirect \"\(random.pick(["a@example.org", "b@example.org"]))\";\n"
    case 6...8: return "\(random.pick(["addflag", "setflag", "removeflag"])) \(flags());\n"
    case 9: return random.chance(30) ? "stop;\n" : "addflag \"c\";\n"
    case 10: return random.chance(25) ? "reject \"no\";\n" : "keep;\n"
    case 11: return random.chance(40) ? "vacation \"gone\";\n" : "fileinto \"C\";\n"
    case 12...14: return set()
    // A variable of its own: see PigeonholeDifferences.
    case 15: return "addflag \"f\" \(flags());\n"
    case 16: return addHeader()
    case 17: return deleteHeader()
    case 18:
      guard random.chance(40) else { return addHeader() }
      return "notify :message \"m\" \"mailto:\(random.pick(["a", "b"]))@example.org\";\n"
    case 19, 20:
      guard depth > 1 else { return "keep;\n" }
      return "foreverypart { if \(partTest()) \(block(depth: depth)) }\n"
    default:
      var text = "if \(test()) \(block(depth: depth))"
      while random.chance(30) { text += "elsif \(test()) \(block(depth: depth))" }
      if random.chance(50) { text += "else \(block(depth: depth))" }
      return text
    }
  }

  private mutating func addHeader() -> String {
    hasEdited = true
    let name = random.pick(["X-Twice", "x-number", "X-None", "Subject", "From"])
    let value = random.pick(["hello", "42", "two words", "${v}", " x ", "<ann@example.com>"])
    return "addheader \(random.chance(30) ? ":last " : "")\"\(name)\" \"\(value)\";\n"
  }

  private mutating func deleteHeader() -> String {
    hasEdited = true
    let name = random.pick([
      "x-twice", "X-Number", "Subject", "X-Empty", "Received", "To", "x-none",
    ])
    let index =
      random.chance(40)
      ? ":index \(random.number(1...2)) \(random.chance(40) ? ":last " : "")" : ""
    guard random.chance(40) else { return "deleteheader \(index)\"\(name)\";\n" }
    let match = random.pick([":is", ":contains", ":matches"])
    let key = random.pick(["hello", "42", "*", "*o*", ""])
    return "deleteheader \(index)\(match) \"\(name)\" \"\(key)\";\n"
  }

  /// A test of the part that a loop is at.
  private mutating func partTest() -> String {
    switch random.number(0...3) {
    case 0: return "header :mime :type \"content-type\" \"\(random.pick(["text", "application"]))\""
    case 1:
      return "header :mime :subtype \"content-type\" \"\(random.pick(["plain", "pdf", "mixed"]))\""
    case 2: return "exists :mime \"\(random.pick(["content-disposition", "content-type"]))\""
    default: return "header :mime :param \"filename\" :contains \"content-disposition\" \"pdf\""
    }
  }

  private mutating func set() -> String {
    let modifiers = [
      random.pick(["", "", ":lower ", ":upper "]),
      random.pick(["", "", ":lowerfirst ", ":upperfirst "]),
      random.pick(["", "", "", ":quotewildcard "]), random.pick(["", "", "", ":length "]),
    ]
    let value = random.pick([
      "a", "aBc*d?", "${v}b", "${1}", "${0}-${2}", "hello ${v}", "${unicode:e4}x", "${hex:41 42}",
      "",
      "${nothing}", "$", "${", "${v", "${}", "$${v}", "${v.}",
    ])
    let safe = value == "${v.}" ? "${v }" : value
    return "set \(modifiers.joined())\"v\" \"\(safe)\";\n"
  }
}
