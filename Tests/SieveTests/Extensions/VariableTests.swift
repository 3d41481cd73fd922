import Sieve
import Testing

/// Variables, flags and included scripts.
@Suite("Sieve variables (RFC 5229)") struct VariableTests {
  /// What `${v}` is at the end of a script.
  private func value(_ script: String, _ needs: String...) throws -> String? {
    let required = (["variables", "fileinto"] + needs).map { "\"\($0)\"" }.joined(separator: ", ")
    let fixture = SieveFixture("require [\(required)]; \(script) fileinto \"=${v}\";")
    return try fixture.mailboxes().last.map { String($0.dropFirst()) }
  }

  @Test(arguments: [
    (#"set "v" "a";"#, "a"),
    (#"set "V" "a"; set "v" "${v}${V}b";"#, "aab"),
    (#"set "v" "${nothing}x";"#, "x"),
    (#"set "v" "$${v}{";"#, "${"),
    (#"set "v" "${";"#, "${"),
    (#"set "v" "${}${ a}${a b}${1a}";"#, "${}${ a}${a b}${1a}"),
    (#"set :lower "v" "ABc";"#, "abc"),
    (#"set :upper :lowerfirst "v" "abc";"#, "aBC"),
    (#"set :upperfirst :lower "v" "ABC";"#, "Abc"),
    (#"set :length "v" "Jörg";"#, "4"),
    (#"set :quotewildcard "v" "a*b?c\\d";"#, #"a\*b\?c\\d"#),
    (#"set :length :quotewildcard "v" "**";"#, "4"),
    (
      #"if header :matches "subject" "* *" { set "v" "${2}-${1}-${0}-${3}"; }"#,
      "World-Hello-Hello World-"
    ),
    (#"if header :matches "subject" "?*o W*" { set "v" "${1},${2},${3}"; }"#, "H,ell,orld"),
    (#"if header :matches "subject" "*o*" { set "v" "${1},${2}"; }"#, "Hell, World"),
    // A match that fails leaves the variables as they were (§3.2).
    (
      #"if header :matches "subject" "* *" { } if header :matches "subject" "x*" { } set "v" "${1}";"#,
      "Hello"
    ),
    (#"if address :matches "from" "*@*" { set "v" "${2}"; }"#, "example.com"),
  ])
  func `set, modifiers and references`(_ script: String, _ expected: String) throws {
    #expect(try value(script) == expected)
  }

  @Test func `string compares what variables make`() throws {
    let needs = ["variables", "relational", "comparator-i;ascii-numeric"]
    #expect(try SieveFixture.holds(#"string "${nothing}" """#, needs))
    #expect(try SieveFixture.holds(#"string :contains ["a", "bcd"] "c""#, needs))
    // Empty strings do not count (§5).
    let count = #"string :count "eq" :comparator "i;ascii-numeric" ["a", "", "${x}"] "1""#
    #expect(try SieveFixture.holds(count, needs))
  }

  @Test(arguments: [
    #"set "1" "a";"#, #"set "a.b" "c";"#, #"set "" "c";"#, #"set "${a}" "c";"#,
    #"set :lower :upper "a" "b";"#, #"set "a" "${b.c}";"#,
  ])
  func `what can't be set does not compile`(_ script: String) {
    #expect(SieveFixture.errors("require \"variables\"; \(script)").count == 1)
  }

  @Test func `quoting and encoding make text safe for others`() throws {
    #expect(try value(#"set :quoteregex "v" "a.b*c";"#, "regex") == #"a\.b\*c"#)
    #expect(try value(#"set :encodeurl "v" "a b&é";"#, "enotify") == "a%20b%26%C3%A9")
    #expect(
      try value(#"if header :regex "subject" "(l+)o (.)" { set "v" "${1}${2}${0}"; }"#, "regex")
        == "llWllo W"
    )
  }

  @Test func `a value that is too long is cut at a character`() throws {
    var fixture = SieveFixture(
      "require [\"variables\", \"fileinto\"]; set \"v\" \"aäbö\"; fileinto \"${v}\";"
    )
    fixture.limits.variableBytes = 5
    #expect(try fixture.mailboxes() == ["aäb"])
  }

  // MARK: Flags

  private func flags(_ script: String) throws -> [String] {
    let outcome = try SieveFixture("require [\"imap4flags\", \"variables\"]; \(script)").outcome()
    guard case .keep(let delivery) = outcome.actions.first else {
      return outcome.implicitKeep.flags
    }
    return delivery.flags
  }

  @Test(arguments: [
    (#"setflag "\\Seen";"#, ["\\Seen"]),
    (#"addflag ["\\Seen a", "b", "\\seen"];"#, ["\\Seen", "a", "b"]),
    (#"addflag "a b c"; removeflag "B";"#, ["a", "c"]),
    (#"setflag "a"; setflag "b";"#, ["b"]),
    (#"addflag "a"; keep :flags "";"#, []),
    (#"addflag "a"; keep;"#, ["a"]),
    (#"keep :flags "x y";"#, ["x", "y"]),
    (#"addflag "v" "a b"; addflag "${v}";"#, ["a", "b"]),
    (#"set "v" "a b"; removeflag "v" "a"; setflag "${v}";"#, ["b"]),
    // What no message can have is passed over: \Recent, and what is no atom.
    (#"addflag ["\\Recent", "a(b", "\\Other", "$ok"];"#, ["$ok"]),
  ])
  func `flags (RFC 5232)`(_ script: String, _ expected: [String]) throws {
    #expect(try flags(script) == expected)
  }

  @Test(arguments: [
    (#"hasflag "A""#, true), (#"hasflag ["x", "b"]"#, true), (#"hasflag "x a""#, true),
    (#"hasflag :contains "ee""#, true), (#"hasflag :matches "\\s*n""#, false),
    (#"hasflag :matches "\\\\s*n""#, true), (#"hasflag "v" "c""#, true), (#"hasflag "x""#, false),
    (#"hasflag :count "eq" :comparator "i;ascii-numeric" "3""#, true),
  ])
  func `hasflag (RFC 5232 §4)`(_ test: String, _ holds: Bool) throws {
    let outcome = try SieveFixture(
      """
      require ["imap4flags", "variables", "relational", "comparator-i;ascii-numeric"];
      setflag ["\\\\Seen", "a b"]; setflag "v" "c"; if \(test) { discard; }
      """
    ).outcome()
    #expect((outcome.summary == ["discard "]) == holds)
  }

  // MARK: Included scripts

  private func included(_ script: String, _ scripts: [String: String]) throws -> ScriptOutcome {
    var fixture = SieveFixture("require [\"include\", \"variables\", \"fileinto\"]; \(script)")
    fixture.scripts = scripts.mapValues {
      "require [\"include\", \"variables\", \"fileinto\"]; \($0)"
    }
    return try fixture.outcome()
  }

  @Test func `included scripts run in place, with variables of their own (RFC 6609)`() throws {
    let outcome = try included(
      "set \"a\" \"1\"; include \"one\"; include :global \"one\"; fileinto \"main ${a}\";",
      [
        "personal/one": "set \"a\" \"2\"; fileinto \"one ${a}\"; return; fileinto \"never\";",
        "global/one": "fileinto \"global ${a}\";",
      ]
    )
    #expect(outcome.mailboxes == ["one 2", "global ", "main 1"])
  }

  @Test func `stop in an included script ends them all`() throws {
    let outcome = try included(
      "include \"one\"; fileinto \"never\";",
      ["personal/one": "fileinto \"one\"; stop;"]
    )
    #expect(outcome.mailboxes == ["one"])
  }

  @Test func `global variables are shared by those that declare them, or name them so`() throws {
    let outcome = try included(
      "global \"g\"; set \"g\" \"1\"; include \"one\"; fileinto \"${g}${global.h}\";",
      [
        "personal/one":
          "global [\"g\"]; set \"g\" \"${g}2\"; set \"global.h\" \"3\"; set \"h\" \"4\";"
      ]
    )
    #expect(outcome.mailboxes == ["123"])
  }

  @Test func `a script is included once with once, and may be missing with optional`() throws {
    let one = ["personal/one": "fileinto \"${global.n}\"; set \"global.n\" \"${global.n}x\";"]
    let outcome = try included(
      "set \"global.n\" \"n\"; include :once \"one\"; include :once \"one\"; include \"one\"; "
        + "include :optional \"two\";",
      one
    )
    #expect(outcome.mailboxes == ["n", "nx"])
    let missing = try included("include \"two\";", [:])
    #expect(missing.error?.message == "there is no script \"two\" to include")
    #expect(missing.isImplicitlyKept)
  }

  @Test func `a script that includes itself, or is wrong, is told`() throws {
    let circle = ["personal/one": "include \"two\";", "personal/two": "include \"one\";"]
    #expect(throws: ScriptErrors.self) { try included("include \"one\";", circle) }
    let once = ["personal/one": "include :once \"one\"; fileinto \"one\";"]
    #expect(try included("include \"one\";", once).mailboxes == ["one"])
    var fixture = SieveFixture("require \"include\";\ninclude \"bad\";")
    fixture.scripts = ["personal/bad": "\n bad;"]
    do {
      _ = try fixture.outcome()
      Issue.record("it compiled")
    } catch let error as ScriptErrors {
      #expect(
        error.errors.map(\.description) == [
          "bad:2:2: unknown command 'bad'", "2:9: the included script \"bad\" is wrong",
        ]
      )
    }
  }

  @Test func `a failure in an included script says where`() throws {
    let outcome = try included(
      "include \"one\";",
      ["personal/one": "\nfileinto \"${nothing}\";"]
    )
    #expect(outcome.error?.message == "one:2:1: a mailbox must have a name")
  }

  @Test func `what is not there may stand behind an ihave (RFC 5463)`() throws {
    let fixture = SieveFixture(
      """
      require "ihave";
      if ihave "nonsense" { nonsense :tag "a" 3 ["b"]; }
      if not ihave ["fileinto", "nonsense"] { keep; }
      if allof (ihave "fileinto", true) { fileinto "A"; }
      fileinto "B";
      """
    )
    #expect(try fixture.outcome().summary == ["fileinto INBOX", "fileinto A", "fileinto B"])
    let reached = try SieveFixture("require \"ihave\"; nonsense;").outcome()
    #expect(reached.error?.message == "unknown command 'nonsense'")
    let error = try SieveFixture("require \"ihave\"; error \"because\";").outcome()
    #expect(error.error?.message == "because")
    #expect(
      try SieveFixture("require \"ihave\"; if ihave \"variables\" { discard; }").outcome()
        .isImplicitlyKept
    )
  }
}
