import Bytes
import MIME
import Model
import Sieve
import Testing

@testable import Rules

@Suite("Rules as Sieve scripts") struct ScriptTests {
  private func script(
    _ rules: [Rule],
    _ target: ScriptTarget = RuleFixture.target()
  ) -> String? {
    RuleScript(rules, for: target).text
  }

  /// The lines of the one rule of a script, comments left out.
  private func commands(_ rule: Rule, _ target: ScriptTarget = RuleFixture.target()) -> String? {
    script([rule], target)?.split(separator: "\n").filter { !$0.hasPrefix("#") }
      .map { $0.drop { $0 == " " } }.joined(separator: " ")
  }

  @Test func `a script is readable, and says what it was written from`() throws {
    let rule = try RuleFixture.rule(
      #"{"name":"Swift list","when":{"list":"swift"},"actions":[{"type":"move","mailbox":"Lists/Swift"},{"type":"addKeywords","keywords":["$seen"]}],"stop":true}"#
    )
    let text = try #require(script([rule]))
    #expect(text.contains("\n# Rule: Swift list\n#: {\"name\":\"Swift list\""))
    #expect(
      text.hasSuffix(
        """
        if header :contains "list-id" "swift" {
            addflag "\\\\Seen";
            fileinto :create "Lists/Swift";
            stop;
        }

        """
      )
    )
    #expect(text.contains("require [\"fileinto\", \"imap4flags\", \"mailbox\"];"))
  }

  @Test func `a script stays as it is when the first message makes its mailbox`() throws {
    let rule = try RuleFixture.rule(
      #"{"name":"r","actions":[{"type":"move","mailbox":"Zork"},{"type":"copy","mailbox":"trash"}]}"#
    )
    for capabilities in [["fileinto", "copy", "mailbox"], Capabilities.names] {
      var target = RuleFixture.target(Set(capabilities))
      let before = try #require(script([rule], target))
      target.mailboxes.append(.init(id: "mbx_9", path: "Zork", role: nil, delimiter: "/"))
      #expect(script([rule], target) == before)
    }
  }

  @Test(arguments: ["Received", "auto-submitted", "Original-From"])
  func `nobody deletes a field that must stay, and the rule says so`(_ name: String) throws {
    let rule = try RuleFixture.rule(
      #"{"name":"r","actions":[{"type":"deleteHeader","name":"\#(name)"}]}"#
    )
    let placement = try #require(RuleScript([rule], for: RuleFixture.target()).placements[0].first)
    #expect(placement.side == .unsupported && placement.reason?.contains("must stay") == true)
  }

  @Test(arguments: [
    (#"[{"type":"archive"}]"#, #"fileinto :specialuse "\\Archive" "Archive";"#),
    (#"[{"type":"move","mailbox":"mbx_2"}]"#, #"fileinto "Archive";"#),
    (#"[{"type":"copy","mailbox":"New"}]"#, #"fileinto :copy :create "New";"#),
    (#"[{"type":"junk"}]"#, #"addflag "$Junk"; fileinto :specialuse "\\Junk" "Spam";"#),
    (
      #"[{"type":"keep"},{"type":"removeKeywords","keywords":["a","b"]}]"#,
      #"removeflag ["a", "b"]; keep;"#
    ),
    (
      #"[{"type":"copy","mailbox":"New"},{"type":"move","mailbox":"New"}]"#,
      #"fileinto :copy :create "New"; fileinto :create "New"; discard;"#
    ),
    (#"[{"type":"redirect","to":"a@b.example"}]"#, #"redirect "a@b.example";"#),
    (#"[{"type":"reject","text":"No \"way\""}]"#, #"reject "No \"way\"";"#),
  ])
  func `actions are commands`(_ actions: String, _ expected: String) throws {
    let rule = try RuleFixture.rule(#"{"name":"r","actions":\#(actions)}"#)
    let text = try #require(commands(rule))
    #expect(text.hasSuffix("if true { \(expected) }"), "\(text)")
  }

  @Test func `a poorer server gets what it knows, and the rest stays with the service`() throws {
    let rule = try RuleFixture.rule(
      #"{"name":"r","when":{"body":"x","from":"y","has":"attachment"},"actions":[{"type":"archive"},{"type":"reject","text":"n"},{"type":"copy","mailbox":"New"}]}"#
    )
    let poor = RuleScript([rule], for: RuleFixture.target(["fileinto", "copy"]))
    #expect(
      poor.placements[0].map(\.side)
        == [.service, .sieve, .service, .sieve, .unsupported, .service]
    )
    #expect(poor.placements[0][0].reason?.contains("body") == true)
    #expect(poor.placements[0][2].pointer == "/when/has")
    #expect(poor.text == nil)
    let none = RuleScript([rule], for: RuleFixture.target(nil))
    #expect(none.placements[0].map(\.side).contains(.sieve) == false)
    let plain = try RuleFixture.rule(#"{"name":"r","actions":[{"type":"archive"}]}"#)
    #expect(
      commands(plain, RuleFixture.target(["fileinto"]))?.contains("fileinto \"Archive\"") == true
    )
  }

  @Test func `a script does not mark what was filed before, and replies once`() throws {
    let file = try RuleFixture.rule(
      #"{"name":"a","actions":[{"type":"copy","mailbox":"Archive"},{"type":"reply","text":"x"}]}"#
    )
    let mark = try RuleFixture.rule(
      #"{"name":"b","actions":[{"type":"addKeywords","keywords":["k"]},{"type":"reply","text":"y"}]}"#
    )
    let both = RuleScript([file, mark], for: RuleFixture.target())
    #expect(both.placements[1].map(\.side) == [.service, .service])
    var stopping = file
    stopping.stops = true
    #expect(RuleScript([stopping, mark], for: RuleFixture.target()).isWhole)
  }

  @Test func `scripts of ours are read back without loss, unless somebody edited them`() throws {
    var rules = [try RuleFixture.rule(RuleReaderTests.whole)]
    rules += [
      try RuleFixture.rule(when: #"{"subject":"a\"b\\c"}"#),
      try RuleFixture.rule(
        #"{"name":"two\nlines","actions":[{"type":"reply","text":".dot\nline\n"}]}"#
      ),
      try RuleFixture.rule(#"{"name":"empty","actions":[]}"#),
    ]
    let text = try #require(script(rules))
    for source in [text, text.replacing("\n", with: "\r\n")] {
      guard case .ours(let read) = ScriptReader.read(Array(source.utf8)) else {
        Issue.record("not read back")
        continue
      }
      #expect(read == rules)
    }
    let edited = text.replacing("a\\\"b", with: "c")
    guard case .simple(let read) = ScriptReader.read(Array(edited.utf8)) else {
      Issue.record("not read as somebody's")
      return
    }
    #expect(read.first?.name == "r")
  }

  static let roundcube = """
    require ["fileinto","imap4flags","copy","vacation"];
    # rule:[Lists]
    if anyof (header :contains "list-id" ["a", "b"], address :domain :is ["to","cc"] "x.example")
    {
    \tfileinto "Lists";
    \tstop;
    }
    # rule:[Rest]
    if not allof (size :over 1M, exists ["x-a", "x-b"], header :matches "subject" "Re:*") {
      addflag ["\\\\Seen"]; fileinto :copy "Archive"; keep;
    } elsif header :is "subject" "x" { discard; } else { redirect "a@b.example"; }
    vacation :days 3 :subject "Away" "I am away.";
    """

  @Test func `simple scripts of others become rules that do the same`() throws {
    guard case .simple(let rules) = ScriptReader.read(Array(Self.roundcube.utf8)) else {
      Issue.record("not simple")
      return
    }
    #expect(rules.map(\.name) == ["Lists", "Rest", "Rule 3", "Rule 4", "Rule 5"])
    let theirs = try Script(compiling: Array(Self.roundcube.utf8))
    for subject in ["Re: hello", "x", "y"] {
      for more in ["", "List-Id: <b.example>\n", "X-A: 1\nX-B: 2\n", "To: u@x.example\n"] {
        let message = RuleFixture.message("From: a@b.example\n\(more)Subject: \(subject)\n\ntext\n")
        let ours = RuleFixture.run(rules, on: message)
        let outcome = try Equivalence.run(theirs, message)
        #expect(
          Equivalence.summary(ours, among: []) == Equivalence.summary(outcome),
          "\(subject) \(more)"
        )
      }
    }
  }

  @Test(arguments: [
    "require \"variables\"; set \"a\" \"b\";",
    "if header :comparator \"i;octet\" \"a\" \"b\" { keep; }",
    "require \"imap4flags\"; setflag \"a\";",
    "require [\"fileinto\", \"imap4flags\"]; if true { fileinto \"a\"; addflag \"b\"; }",
    #"require ["fileinto","variables"]; if header :matches "subject" "*[*]*" { fileinto "Lists/${2}"; }"#,
    #"require ["vacation","variables"]; vacation :subject "Re: ${1}" "Away";"#,
    #"require "variables"; redirect "${from}@x.example";"#,
    #"require ["variables","encoded-character"]; if header "subject" "${hex:24}{1}" { discard; }"#,
    #"require "encoded-character"; if header :contains "subject" "${hex:ff}" { discard; }"#,
    #"require "encoded-character"; if header :contains "subject" "a${hex:00}" { discard; }"#,
    #"require "editheader"; addheader :last "X-A" "b";"#,
    #"require "editheader"; deleteheader :index 1 "X-A";"#,
    #"require "editheader"; deleteheader "X-A" "b";"#,
    #"require "editheader"; deleteheader "Received";"#,
    #"require ["fileinto", "editheader"]; if true { fileinto "a"; addheader "X-A" "b"; }"#,
  ])
  func `what rules cannot say stays a script`(_ text: String) {
    if case .opaque = ScriptReader.read(Array(text.utf8)) { return }
    Issue.record("read as rules: \(text)")
  }

  @Test(arguments: [
    (
      #"require "encoded-character"; if header :contains "subject" "${hex:7a}${Unicode:71}" { discard; }"#,
      #""value":["zq"]"#
    ),
    // Without the extension, and where no variable is named, it is text.
    (#"if header :contains "subject" "${hex:7a}" { discard; }"#, #""value":["${hex:7a}"]"#),
    (
      #"require "variables"; if header "subject" "$ ${ ${}" { discard; }"#, #""value":["$ ${ ${}"]"#
    ),
    (
      #"require "editheader"; addheader "X-A" " b"; "#,
      #"[{"type":"addHeader","name":"X-A","value":" b"}]"#
    ),
    (
      #"require "editheader"; deleteheader "X-A"; "#, #"[{"type":"deleteHeader","name":"X-A"}]"#
    ),
  ])
  func `strings mean what the extensions of the script make of them`(_ text: String, _ part: String)
  {
    guard case .simple(let rules) = ScriptReader.read(Array(text.utf8)), rules.count == 1 else {
      Issue.record("not read as a rule: \(text)")
      return
    }
    let json = String(decoding: rules[0].json.encoded, as: UTF8.self)
    #expect(json.contains(part), "\(json)")
  }

  @Test func `no script is none, and says where`() {
    guard case .invalid(let errors) = ScriptReader.read(Array("if {".utf8)) else {
      Issue.record("it was read")
      return
    }
    #expect(errors.first?.line == 1)
  }
}
