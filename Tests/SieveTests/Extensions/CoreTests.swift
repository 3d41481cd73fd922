import Sieve
import Testing

/// The tests of the core language.
@Suite("Sieve tests (RFC 5228 §5, §2.7)") struct CoreTests {
  @Test(arguments: [
    (#"header :is "subject" "hello world""#, true),
    (#"header :is :comparator "i;octet" "subject" "hello world""#, false),
    (#"header :is "subject" "Hello""#, false),
    (#"header :contains "subject" "O WOR""#, true),
    (#"header :contains "subject" """#, true),
    (#"header :contains "x-none" """#, false),
    (#"header :matches "subject" "h?llo*""#, true),
    (#"header :matches "subject" "h?llo""#, false),
    (#"header :matches "subject" "*""#, true),
    (#"header :matches "subject" "*o*o*""#, true),
    (#"header :matches "subject" "*o*o*o*""#, false),
    (#"header :matches "x-none" "*""#, false),
    (#"header ["x-none", "x-twice"] ["nothing", "second"]"#, true),
    (#"header "x-number" "42""#, true),
    (#"exists ["from", "to"]"#, true),
    (#"exists ["from", "x-none"]"#, false),
    (#"size :over 100"#, true),
    (#"size :under 100"#, false),
    (#"size :over 1K"#, false),
    // A name that can't be one is no error (RFC 5228 §2.4.2.2).
    (#"header ["from:", "a b", ""] """#, false),
    (#"not true"#, false),
    (#"allof (true, not false)"#, true),
    (#"anyof (false, not true)"#, false),
  ])
  func `header, exists, size and the logic`(_ test: String, _ holds: Bool) throws {
    #expect(try SieveFixture.holds(test) == holds)
  }

  @Test(arguments: [
    (#"address "from" "ANN@example.com""#, true),
    (#"address :localpart "from" "ann""#, true),
    (#"address :domain "to" "example.net""#, true),
    (#"address :domain :is :comparator "i;octet" "to" "example.net""#, false),
    (#"address :all :contains "from" "Example""#, true),
    (#"address :contains "from" "Ann Example""#, false),
    (#"address "cc" "carol@example.com""#, true),
    (#"address :user "to" "bob""#, true),
    (#"address :detail "to" "list""#, true),
    (#"address :detail :contains "from" """#, false),
    (#"address :user "from" "ann""#, true),
    (#"address ["x-none", "cc"] "carol@example.com""#, true),
  ])
  func `address and its parts (RFC 5228 §2.7.4, RFC 5233)`(
    _ test: String,
    _ holds: Bool
  ) throws {
    #expect(try SieveFixture.holds(test, ["subaddress"]) == holds)
  }

  @Test func `an address that is not valid has no parts (RFC 5228 §2.7.4)`() throws {
    let message = "To: nobody, group: ann@example.com;\nCc: undisclosed-recipients:;\n\n"
    for (test, holds) in [
      (#"address :localpart "to" "nobody""#, false), (#"address :all "to" "nobody""#, true),
      (#"address :domain :contains "to" "example""#, true), (#"address :contains "cc" """#, false),
      (#"address :matches :user "to" "*""#, true), (#"address :user "to" "nobody""#, false),
    ] {
      #expect(try SieveFixture.holds(test, ["subaddress"], message: message) == holds, "\(test)")
    }
  }

  @Test(arguments: [
    (#"envelope "from" "sender@example.com""#, true),
    (#"envelope :detail "to" "tag""#, true),
    (#"envelope :domain ["from", "to"] "example.org""#, true),
    (#"envelope :localpart "from" "nobody""#, false),
  ])
  func `envelope (RFC 5228 §5.4)`(_ test: String, _ holds: Bool) throws {
    #expect(try SieveFixture.holds(test, ["envelope", "subaddress"]) == holds)
  }

  @Test func `the null reverse-path is empty, whichever part of it is asked for`() throws {
    for part in ["", ":localpart", ":domain", ":all"] {
      var fixture = SieveFixture(
        "require [\"envelope\", \"fileinto\"]; if envelope \(part) \"from\" \"\" { fileinto \"yes\"; }"
      )
      fixture.envelope = ScriptEnvelope(from: "", to: "user@example.org")
      #expect(try fixture.mailboxes() == ["yes"], "\(part)")
    }
  }

  @Test func `values are unfolded, decoded and without blanks at their ends`() throws {
    let message =
      "Subject:  =?utf-8?q?J=C3=B6rg?=\r\n =?utf-8?q?_A?=  \r\nX: a\r\n\tb\r\n c \r\n\r\n"
    #expect(try SieveFixture.holds("header \"subject\" \"Jörg A\"", message: message))
    #expect(try SieveFixture.holds("header \"x\" \"a\tb c\"", message: message))
  }

  @Test(arguments: [
    (#"header :value "gt" :comparator "i;ascii-numeric" "x-number" "5""#, true),
    (#"header :value "lt" :comparator "i;ascii-numeric" "x-number" "5""#, false),
    (#"header :value "eq" :comparator "i;ascii-numeric" "x-number" "0042x""#, true),
    (#"header :value "gt" :comparator "i;ascii-numeric" "subject" "5""#, true),
    (#"header :value "lt" "x-number" "5""#, true),
    (#"header :count "eq" :comparator "i;ascii-numeric" "x-twice" "2""#, true),
    (#"header :count "eq" :comparator "i;ascii-numeric" ["x-twice", "x-number"] "3""#, true),
    (#"header :count "ge" :comparator "i;ascii-numeric" "x-none" "1""#, false),
    (#"address :count "eq" :comparator "i;ascii-numeric" ["to", "cc"] "3""#, true),
    // An address counts even where it lacks the part (§4.2).
    (#"address :detail :count "eq" :comparator "i;ascii-numeric" "to" "2""#, true),
    (#"header :value "ne" "x-none" "a""#, false),
  ])
  func `relations (RFC 5231)`(_ test: String, _ holds: Bool) throws {
    #expect(
      try SieveFixture.holds(test, ["relational", "comparator-i;ascii-numeric", "subaddress"])
        == holds
    )
  }

  @Test(arguments: [
    (#"header :index 1 "x-twice" "first""#, true),
    (#"header :index 2 "x-twice" "first""#, false),
    (#"header :index 1 :last "x-twice" "second""#, true),
    (#"header :index 3 "x-twice" "second""#, false),
    // The fields of all names are counted together (RFC 5260 §6).
    (#"header :index 2 ["x-number", "x-twice"] "first""#, true),
    (#"address :index 2 ["to", "cc"] "carol@example.com""#, true),
  ])
  func `index (RFC 5260 §6)`(_ test: String, _ holds: Bool) throws {
    #expect(try SieveFixture.holds(test, ["index"]) == holds)
  }

  @Test(arguments: [
    (#"header :regex "subject" "^h.*d$""#, true),
    (#"header :regex :comparator "i;octet" "subject" "^h""#, false),
    (#"header :regex "subject" ["nothing", "w[a-z]+"]"#, true),
    (#"header :regex "x-none" ".*""#, false),
  ])
  func `regular expressions`(_ test: String, _ holds: Bool) throws {
    #expect(try SieveFixture.holds(test, ["regex"]) == holds)
  }

  @Test func `an expression that is none is told with its place`() {
    let errors = SieveFixture.errors(
      "require \"regex\"; if header :regex \"a\" \"(\" { stop; }"
    )
    #expect(errors.count == 1)
    #expect(errors[0].hasPrefix("1:28: \"(\" is no regular expression: "))
  }

  @Test func `what is encoded is decoded before all else (RFC 5228 §2.4.2.4)`() throws {
    let needs = ["encoded-character"]
    #expect(try SieveFixture.holds(#"header "x-number" "${hex:34 32}""#, needs))
    #expect(try SieveFixture.holds(#"header "x-number" "${unicode:34}${hex:32}""#, needs))
    let message = "X: ${hex:4}${hex:4 4z}\nY: ${unicode:}\n\n"
    #expect(try SieveFixture.holds(#"header "x" "${hex:4}${hex:4 4z}""#, message: message))
    #expect(try SieveFixture.holds(#"header "y" "${unicode:}""#, needs, message: message))
    #expect(
      SieveFixture.errors("require \"encoded-character\"; redirect \"${unicode:D800}\";").count == 1
    )
  }
}
