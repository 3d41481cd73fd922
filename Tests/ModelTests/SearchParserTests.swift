import Bytes
import Model
import Testing

@Suite("The search grammar") struct SearchParserTests {
  /// A query and the tree that it means, written as `show` writes it.
  struct Good: Sendable, CustomTestStringConvertible {
    var text: String
    var tree: String
    var testDescription: String { text }

    init(_ text: String, _ tree: String) {
      self.text = text
      self.tree = tree
    }
  }

  /// The tree in brackets.
  static func show(_ query: SearchQuery) -> String {
    switch query {
    case .and(let parts): "(and \(parts.map(show).joined(separator: " ")))"
    case .or(let parts): "(or \(parts.map(show).joined(separator: " ")))"
    case .not(let part): "(not \(show(part)))"
    case .term(let term):
      switch term {
      case .field(let field, let text): "\(field.rawValue)=\(text)"
      case .header(let name, let value): "header \(name)=\(value ?? "?")"
      case .word(let text): text
      case .phrase(let text): "\"\(text)\""
      case .mailbox(let name): "in=\(name)"
      case .state(let state): "is=\(state.rawValue)"
      case .hasAttachment: "attachment"
      case .before(let time): "before=\(time.microseconds / 1_000_000)"
      case .after(let time): "after=\(time.microseconds / 1_000_000)"
      case .larger(let size): "larger=\(size)"
      case .smaller(let size): "smaller=\(size)"
      case .thread(let id): "thread=\(id.rawValue)"
      case .id(let id): "id=\(id.rawValue)"
      }
    }
  }

  @Test(arguments: [
    Good("ada", "ada"), Good("  ada  bob ", "(and ada bob)"),
    Good("ada bob OR carol", "(or (and ada bob) carol)"),
    Good("ada (bob OR carol)", "(and ada (or bob carol))"),
    Good("-ada -(bob OR carol)", "(and (not ada) (not (or bob carol)))"),
    Good("--ada", "(not (not ada))"), Good("OReilly ORDER or", "(and OReilly ORDER or)"),
    Good(#""two words""#, #""two words""#), Good(#""a \"b\" \\c""#, #""a "b" \c""#),
    Good("from:ada@example.org", "from=ada@example.org"),
    Good(#"Subject:"two words" x"#, "(and subject=two words x)"),
    Good("header:List-Id=lists.example", "header List-Id=lists.example"),
    // A mark that makes one character with the sign before it.
    Good("header:Subject=\u{93F}", "header Subject=\u{93F}"),
    Good("header:Reply-To", "header Reply-To=?"),
    Good(#"header:Subject="a b""#, "header Subject=a b"),
    Good("in:INBOX/Work", "in=INBOX/Work"), Good(#"in:"Sent Items""#, "in=Sent Items"),
    Good("is:unread has:attachment", "(and is=unread attachment)"),
    Good("after:2026-01-02", "after=1767312000"),
    Good("before:2026-01-02T03:04:05Z", "before=1767323045"),
    Good("larger:20K smaller:5m", "(and larger=20480 smaller=5242880)"),
    Good("larger:500", "larger=500"), Good("12:30 a-b", "(and 12:30 a-b)"),
    Good("(((ada)))", "ada"), Good("Grüße", "Grüße"), Good("-from:ada", "(not from=ada)"),
    Good(#"ada"bob""#, #"(and ada "bob")"#), Good("C++ ٣ 日本", "(and C++ ٣ 日本)"),
    Good(#"subject:! from:"😀""#, "(and subject=! from=😀)"), Good(#""a !""#, #""a !""#),
  ])
  func `a query means its tree`(_ good: Good) throws {
    #expect(Self.show(try SearchParser.parse(good.text)) == good.tree)
  }

  @Test(arguments: [
    ("", 0), ("   ", 3), ("(ada", 4), ("ada)", 3), ("()", 1), ("ada OR", 6), ("OR ada", 0),
    ("-", 1),
    ("ada - bob", 5), (#""ada"#, 0), (#"ada """#, 4), ("from:", 5), ("x from: y", 7),
    ("form:ada", 0),
    ("a http://b", 2), ("is:red", 3), ("has:wings", 4), ("before:monday", 7), ("larger:big", 7),
    ("larger:-1", 7), ("id:msg_1", 3), ("thread:x", 7), ("header:=x", 7),
    ("larger:99999999999999", 7), ("!", 0), ("...", 0), ("\\", 0), ("@", 0), ("😀", 0), ("。", 0),
    ("-!", 1), ("plain0 -!", 8), (#"ada "--""#, 4), ("!!! lunch", 0),
  ])
  func `a fault is told with its place`(_ text: String, _ place: Int) {
    let error = #expect(throws: SearchSyntaxError.self) { try SearchParser.parse(text) }
    #expect(error?.place == "\(place)", "\(error?.reason ?? "")")
  }

  @Test func `depth, terms and length have bounds`() {
    let deep = String(repeating: "(", count: 100_000 / 30) + "a"
    #expect(throws: SearchSyntaxError.self) { try SearchParser.parse(deep) }
    #expect(throws: SearchSyntaxError.self) {
      try SearchParser.parse(String(repeating: "-", count: 4000) + "a")
    }
    #expect(throws: SearchSyntaxError.self) {
      try SearchParser.parse(Array(repeating: "a", count: 65).joined(separator: " "))
    }
    #expect(throws: SearchSyntaxError.self) {
      try SearchParser.parse(String(repeating: "a", count: 4097))
    }
  }

  private func filter(_ text: String) throws -> SearchQuery {
    let bytes = Array(text.utf8)
    return try SearchQuery.parse(filter: try JSONReader.parse(bytes.span))
  }

  @Test(arguments: [
    Good(#"{"from":"ada"}"#, "from=ada"),
    Good(#"{"from":"ada","larger":500}"#, "(and from=ada larger=500)"),
    Good(#"{"text":"two words","phrase":"a b"}"#, #"(and two words "a b")"#),
    Good(
      #"{"operator":"or","conditions":[{"is":"unread"},{"operator":"not","conditions":[{"in":"junk"},{"text":"x"}]}]}"#,
      "(or is=unread (not (or in=junk x)))"
    ), Good(#"{"operator":"and","conditions":[{"cc":"x"}]}"#, "cc=x"),
  ])
  func `a JSON filter means the same trees`(_ good: Good) throws {
    #expect(Self.show(try filter(good.text)) == good.tree)
  }

  @Test(arguments: [
    #"{"nope":1}"#, #"{"nope":"x"}"#, #"{"from":"x","nope":{}}"#, #"{"nope":null,"is":"red"}"#,
    #"{"property":"subject","op":"is","value":"x"}"#, #"{"Text":"x","nope":1}"#,
  ])
  func `a member that there is not is told as that, whatever it holds`(_ text: String) {
    let error = #expect(throws: SearchSyntaxError.self) { try filter(text) }
    #expect(error?.isUnknown == true)
    #expect(error?.reason.hasPrefix("There is no such member; there are operator, text") == true)
  }

  @Test(arguments: [
    ("[]", ""), ("{}", ""), (#"{"from":true}"#, "/from"), (#"{"from":5}"#, "/from"),
    (#"{"colour":"x"}"#, "/colour"),
    (#"{"operator":"xor","conditions":[{"to":"x"}]}"#, "/operator"),
    (#"{"operator":"or","conditions":[]}"#, "/conditions"), (#"{"operator":"or"}"#, ""),
    (#"{"operator":"or","conditions":[{"to":"x"},{"is":"x"}]}"#, "/conditions/1/is"),
    (#"{"text":"!"}"#, "/text"), (#"{"text":"ada ..."}"#, "/text"),
    (#"{"phrase":"-- 😀"}"#, "/phrase"),
  ])
  func `a fault of a filter is told with its pointer`(_ text: String, _ place: String) {
    let error = #expect(throws: SearchSyntaxError.self) { try filter(text) }
    #expect(error?.place == place)
  }
}
