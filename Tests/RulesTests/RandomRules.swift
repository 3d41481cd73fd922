import Bytes
import Model
import TestSupport

@testable import Rules

/// Rules at random, over the vocabulary of `RandomMail`.
struct RandomRules {
  var random: SeededRandom

  /// Whose rules they are.
  static let own = ["user@example.org", "ann@example.com", "user+tag@example.org"]

  // MARK: - Values

  private mutating func word() -> String {
    switch random.number(0...5) {
    case 0: RandomMail.address(&random)
    case 1: random.pick(RandomMail.locals)
    case 2: random.pick(RandomMail.domains)
    default: random.pick(RandomMail.words)
    }
  }

  private mutating func piece() -> String {
    let word = word()
    let start = random.number(0...word.count - 1)
    return String(word.dropFirst(start).prefix(random.number(1...word.count)))
  }

  private mutating func values(_ count: Int) -> JSONValue {
    let values = (0..<random.number(1...count)).map { _ in JSONValue.string(piece()) }
    return values.count == 1 ? values[0] : .array(values)
  }

  private static func object(_ members: (String, JSONValue)...) -> JSONValue {
    .object(members.map { .init(name: $0.0, value: $0.1) })
  }

  // MARK: - Conditions

  mutating func condition(depth: Int = 2) -> JSONValue {
    guard depth > 0, random.chance(45) else {
      return random.chance(35) ? term() : test()
    }
    let parts = (0..<random.number(1...3)).map { _ in condition(depth: depth - 1) }
    return Self.object(
      ("operator", .string(random.pick(["and", "or", "not"]))),
      ("conditions", .array(parts))
    )
  }

  private mutating func term() -> JSONValue {
    switch random.number(0...8) {
    case 0...3:
      return Self.object(
        (random.pick(["from", "to", "cc", "bcc", "subject"]), .string(piece()))
      )
    case 4:
      let name = random.pick(["X-Twice", "x-number", "X-Empty", "X-None"])
      return Self.object(
        ("header", .string(random.chance(40) ? name : "\(name)=\(random.pick(RandomMail.words))"))
      )
    case 5: return Self.object(("body", .string(random.pick(RandomMail.words + ["AB"]))))
    case 6:
      return Self.object(
        (random.pick(["larger", "smaller"]), .int(Int64(random.pick([200, 300, 400, 500]))))
      )
    case 7:
      return Self.object(
        (random.pick(["before", "after"]), .string("\(random.pick([2001, 2101]))-01-01"))
      )
    default: return Self.object(("is", .string(random.pick(["unread", "flagged"]))))
    }
  }

  private mutating func test() -> JSONValue {
    switch random.number(0...11) {
    case 0...3: return text(random.pick(Self.texts))
    case 4:
      return text(
        "envelope.\(random.pick(["from", "to"])).\(random.pick(["address", "local", "domain", "user", "detail"]))"
      )
    case 5:
      let field = random.pick(["to.count", "recipient.count", "header.X-Twice.count"])
      return property(
        field,
        random.pick(["is", "over", "under"]),
        .int(Int64(random.number(0...4)))
      )
    case 6: return property("importance", "is", .string(random.pick(["high", "normal", "low"])))
    case 7:
      return property("kind", "is", .string(random.pick(MessageKind.allCases).rawValue))
    case 8:
      return Self.object(
        ("property", .string(random.pick(["toMe", "ccMe", "toOrCcMe", "onlyToMe"])))
      )
    case 9:
      let (part, value) = random.pick([
        ("year", "2020"), ("month", "11"), ("weekday", "2"), ("hour", "08"), ("date", "2020-01-01"),
        ("time", "12:00:00"),
      ])
      return property("sent.\(part)", random.pick(["is", "over", "under"]), .string(value))
    case 10: return property("keyword", "is", .string(random.pick(["$seen", "k1", "k2"])))
    default:
      return property(
        "attachment.type",
        "is",
        .string(random.pick(["text/plain", "application/pdf"]))
      )
    }
  }

  private static let texts = [
    "subject", "from", "to", "header.X-Twice", "header.X-Blank", "header.x-folded",
    "header.X-Number", "header.Message-ID", "from.address", "from.local", "from.domain",
    "to.user", "to.detail", "recipient.domain", "cc.address", "sender.local", "replyTo.domain",
    "attachment.name",
  ]

  private mutating func text(_ name: String) -> JSONValue {
    switch random.number(0...5) {
    case 0: return property(name, "is", .string(word()))
    case 1: return property(name, "contains", values(3))
    case 2: return property(name, "begins", values(2))
    case 3: return property(name, "ends", values(2))
    case 4: return property(name, "matches", .string("*\(piece())*"))
    default:
      let expression = random.pick([
        "hello", "l+o", "^[a-z]+", "[0-9]{2}", "(world|list)", "\\.org$",
      ])
      return property(name, "regex", .string(expression))
    }
  }

  private func property(_ name: String, _ op: String, _ value: JSONValue) -> JSONValue {
    Self.object(("property", .string(name)), ("op", .string(op)), ("value", value))
  }

  // MARK: - Rules

  private mutating func action() -> JSONValue {
    func node(_ type: String, _ more: (String, JSONValue)...) -> JSONValue {
      .object(
        [.init(name: "type", value: .string(type))] + more.map { .init(name: $0.0, value: $0.1) }
      )
    }
    switch random.number(0...13) {
    case 0, 1: return node("move", ("mailbox", .string("M\(random.number(1...3))")))
    case 2, 3: return node("copy", ("mailbox", .string("M\(random.number(1...3))")))
    case 4: return node("keep")
    case 5: return node("discard")
    case 6:
      return node(
        "addKeywords",
        ("keywords", .array([.string(random.pick(["$seen", "k1", "k2"]))]))
      )
    case 7:
      return node("removeKeywords", ("keywords", .array([.string(random.pick(["$seen", "k1"]))])))
    case 8:
      return node(
        "redirect",
        ("to", .string(RandomMail.address(&random))),
        ("keep", .bool(random.chance(50)))
      )
    case 9: return node(random.pick(["archive", "junk", "trash"]))
    case 10:
      return node(
        "addHeader",
        ("name", .string(random.pick(["X-Twice", "x-number", "X-None", "Subject"]))),
        ("value", .string(random.pick(RandomMail.words + [" two  words "])))
      )
    case 11:
      let names = ["x-twice", "X-Number", "X-Empty", "Subject", "Received", "X-Folded"]
      return node("deleteHeader", ("name", .string(random.pick(names))))
    case 12:
      let text = random.pick(["Mail has come", "Look\n.\nhere"])
      let address = random.pick(["told@example.net", "Told@Example.net", "pager@example.com"])
      return node("notify", ("to", .string(address)), ("text", .string(text)))
    default: return node("reply", ("text", .string("Away\n.\nstill")), ("days", .int(3)))
    }
  }

  /// A rule with a condition and these actions, or some.
  mutating func rule(_ number: Int, actions: [JSONValue]? = nil, stops: Bool? = nil) -> JSONValue {
    let made = (0..<random.number(1...2)).map { _ in action() }
    return Self.object(
      ("name", .string("rule \(number)")),
      ("when", condition()),
      ("actions", .array(actions ?? made)),
      ("stop", .bool(stops ?? random.chance(40)))
    )
  }
}
