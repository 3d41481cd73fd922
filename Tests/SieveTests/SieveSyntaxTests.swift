import Sieve
import Testing

/// Lexer, parser and validator: what is wrong is told with its place.
@Suite("Sieve syntax (RFC 5228 §2, §8)") struct SieveSyntaxTests {
  @Test(arguments: [
    ("keep", "1:5: expected ';', found the end of the script"),
    ("if true {\n  keep;\n", "3:1: expected '}' or a command, found the end of the script"),
    ("keep;\n  \"open", "2:3: this string has no end"),
    ("/* open", "1:1: this comment has no end"),
    ("redirect text:\nabc\n;", "1:10: this text has no line with a dot alone, which would end it"),
    ("redirect text: abc\n.\n;", "1:16: after 'text:' the line must end"),
    ("if size :over 10X { }", "1:15: a number may end with K, M or G, and with nothing else"),
    ("if size :over 99999999999999999999 { }", "1:15: the number is too large"),
    ("if size :over 9999999999G { }", "1:15: the number is too large"),
    ("if anyof (true,) { }", "1:16: expected a test, found ')'"),
    ("if header [] \"a\" { }", "1:12: expected a string, found ']'"),
    ("keep : flags;", "1:6: a tag must have a name behind ':'"),
    ("keep @;", "1:6: unexpected character"),
    ("é keep;", "1:1: unexpected character"),
    ("# é\nkeep;  é", "2:8: unexpected character"),
    ("frobnicate;", "1:1: unknown command 'frobnicate'"),
    ("if frobnicate { }", "1:4: unknown test 'frobnicate'"),
    ("fileinto \"a\";", "1:1: 'fileinto' needs: require \"fileinto\";"),
    (
      "if true { } keep; require \"fileinto\";",
      "1:19: 'require' must stand before all other commands"
    ),
    ("require \"nonsense\";", "1:9: the extension \"nonsense\" is not supported"),
    ("else { }", "1:1: 'else' must follow an 'if' or 'elsif'"),
    ("if true { } else { } elsif true { }", "1:22: 'elsif' must follow an 'if' or 'elsif'"),
    ("if keep { }", "1:4: 'keep' is a command, not a test"),
    ("true;", "1:1: 'true' is a test, not a command"),
    ("if true;", "1:1: 'if' needs a block in braces"),
    ("keep { }", "1:1: 'keep' has no block"),
    ("if not (true) { }", "1:4: 'not' takes exactly one test"),
    ("if anyof true { }", "1:4: 'anyof' takes a list of tests in parentheses"),
    ("stop true;", "1:6: 'stop' takes no test"),
    ("redirect;", "1:1: 'redirect' takes 1 positional argument, not 0"),
    ("redirect \"a@b.example\" \"c\";", "1:24: 'redirect' takes 1 positional argument, not 2"),
    ("redirect 5;", "1:10: argument 1 of 'redirect' must be a string"),
    ("redirect [\"a@b.example\"];", "1:10: argument 1 of 'redirect' must be a string"),
    ("redirect \"a\";", "1:10: \"a\" is no address to redirect to"),
    (
      "if header :is :contains \"a\" \"b\" { }", "1:15: ':contains' can't stand together with ':is'"
    ),
    ("if header :is :is \"a\" \"b\" { }", "1:15: ':is' stands twice"),
    ("if header \"a\" :is \"b\" { }", "1:15: ':is' must stand before the other arguments"),
    ("if header :foo \"a\" \"b\" { }", "1:11: 'header' has no argument ':foo'"),
    ("if header :count \"eq\" \"a\" \"1\" { }", "1:11: ':count' needs: require \"relational\";"),
    ("if header :comparator \"x\" \"a\" \"b\" { }", "1:11: unknown comparator \"x\""),
    (
      "if header :comparator \"i;ascii-numeric\" \"a\" \"b\" { }",
      "1:11: the comparator \"i;ascii-numeric\" needs: require \"comparator-i;ascii-numeric\";"
    ),
    (
      "require \"comparator-i;ascii-numeric\"; if header :contains :comparator \"i;ascii-numeric\" \"a\" \"b\" { }",
      "1:49: ':contains' can't be used with the comparator \"i;ascii-numeric\""
    ),
    (
      "if address \"subject\" \"c\" { }",
      "1:12: \"subject\" is no field of addresses; test it by 'header'"
    ),
    ("if size 5 { }", "1:9: 'size' takes 0 positional arguments, not 1"),
    ("if size { }", "1:4: 'size' needs ':over' or ':under'"),
    ("if size :over { }", "1:9: ':over' needs a number behind it"),
    ("if size :over \"5\" { }", "1:15: ':over' must be a number"),
  ])
  func `an error is told with its line and column`(_ script: String, _ error: String) {
    #expect(SieveFixture.errors(script).first == error)
  }

  @Test func `all errors of a script are told, each with its place`() {
    let script = "fileinto \"a\";\nif true {\n  bad;\n}\nredirect \"x\";"
    #expect(
      SieveFixture.errors(script) == [
        "1:1: 'fileinto' needs: require \"fileinto\";", "3:3: unknown command 'bad'",
        "5:10: \"x\" is no address to redirect to",
      ]
    )
  }

  @Test(
    arguments: [
      "", "# only a comment", "/* one */ /* two */", "KEEP;", "if TRUE { StOp; }",
      "if size :over 1K { } elsif size :under 1M { } else { }", "if size :over 4G { }",
      "if anyof (true, false, not true) { if allof (true) { discard; } }",
      "redirect \"Ann <ann@example.org>\";", "require [];;", "redirect \"a@[192.0.2.1]\";",
      "if header :comparator \"i;octet\" :matches [\"a\", \"b\"] [\"*\", \"?\"] { }",
    ].filter { $0 != "require [];;" }
  )
  func `what the grammar allows compiles`(_ script: String) {
    #expect(SieveFixture.errors(script) == [])
  }

  @Test func `every extension that is advertised can be required, alone and with all others`() {
    for name in Capabilities.names {
      #expect(SieveFixture.errors("require \"\(name)\";") == [], "\(name)")
    }
    let all = Capabilities.names.map { "\"\($0)\"" }.joined(separator: ", ")
    #expect(SieveFixture.errors("require [\(all)]; keep;") == [])
    #expect(Capabilities.names.count >= 42)
  }

  @Test func `strings know escapes, dots and both line ends`() throws {
    let script = """
      require ["fileinto"];
      if header :is "x" text: # comment
      a.
      ..b
      .c
      .
      { fileinto "text"; }
      if header :is "y" "a\\"b\\\\c\\d" { fileinto "quoted"; }
      """
    let message = "X: =?utf-8?b?YS4NCi5iDQouYw0K?=\nY: a\"b\\cd\n\n"
    // A line break can't come out of a header, so only the other string can match.
    #expect(try SieveFixture(script, message: message).mailboxes() == ["quoted"])
  }

  @Test func `what is too large, too deep or too much does not compile`() {
    var limits = SieveLimits()
    limits.scriptBytes = 10
    #expect(throws: ScriptErrors.self) {
      try Script(compiling: Array("keep; keep; keep;".utf8), limits: limits)
    }
    limits = SieveLimits()
    limits.nesting = 3
    let deep = String(repeating: "if true { ", count: 4) + String(repeating: "}", count: 4)
    #expect(throws: ScriptErrors.self) { try Script(compiling: Array(deep.utf8), limits: limits) }
    let nots = "if not not not not not true { }"
    #expect(throws: ScriptErrors.self) { try Script(compiling: Array(nots.utf8), limits: limits) }
    limits.nodes = 2
    #expect(throws: ScriptErrors.self) {
      try Script(compiling: Array("keep; keep; keep;".utf8), limits: limits)
    }
  }
}
