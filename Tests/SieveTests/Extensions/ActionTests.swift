import Sieve
import Testing

/// The actions of a run, and what becomes of the implicit keep.
@Suite("Sieve actions (RFC 5228 §2.10, §4)") struct ActionTests {
  private func outcome(_ script: String, _ needs: String...) throws -> ScriptOutcome {
    let required = needs.map { "\"\($0)\"" }.joined(separator: ", ")
    return try SieveFixture("\(needs.isEmpty ? "" : "require [\(required)];") \(script)").outcome()
  }

  @Test func `without an action the message is kept`() throws {
    for script in ["", "stop;", "if false { discard; }"] {
      let outcome = try outcome(script)
      #expect(outcome.actions.isEmpty)
      #expect(outcome.isImplicitlyKept)
    }
  }

  @Test func `fileinto, redirect and discard take the place of the implicit keep`() throws {
    for script in ["fileinto \"A\";", "redirect \"a@example.org\";", "discard;", "keep;"] {
      let outcome = try outcome(script, "fileinto")
      #expect(outcome.actions.count == 1)
      #expect(!outcome.isImplicitlyKept)
    }
  }

  @Test func `with copy they do not (RFC 3894)`() throws {
    let outcome = try outcome(
      "fileinto :copy \"A\"; redirect :copy \"a@example.org\";",
      "fileinto",
      "copy"
    )
    #expect(outcome.summary == ["fileinto A", "redirect a@example.org"])
    #expect(outcome.isImplicitlyKept)
  }

  @Test func `an action to the same end is taken once, in the place of the first`() throws {
    let outcome = try outcome(
      "fileinto \"A\"; keep; fileinto \"B\"; fileinto \"A\"; keep; discard; discard;",
      "fileinto"
    )
    #expect(outcome.summary == ["fileinto A", "fileinto INBOX", "fileinto B", "discard "])
  }

  @Test func `stop ends the script with what was said so far`() throws {
    let outcome = try outcome("if true { fileinto \"A\"; stop; } fileinto \"B\";", "fileinto")
    #expect(outcome.mailboxes == ["A"])
  }

  @Test func `if, elsif and else take the first branch that holds`() throws {
    let outcome = try outcome(
      "if false { fileinto \"A\"; } elsif true { fileinto \"B\"; } elsif true { fileinto \"C\"; } "
        + "else { fileinto \"D\"; } if false { } else { fileinto \"E\"; }",
      "fileinto"
    )
    #expect(outcome.mailboxes == ["B", "E"])
  }

  @Test(arguments: [
    "reject \"a\"; keep;", "keep; reject \"a\";", "reject \"a\"; reject \"b\";",
    "vacation \"a\"; vacation \"b\";", "vacation \"a\"; reject \"b\";",
    "redirect \"a@example.org\"; reject \"b\";",
  ])
  func `a contradiction fails the run, and the message is kept`(_ script: String) throws {
    let outcome = try outcome(script, "reject", "vacation")
    #expect(outcome.error != nil)
    #expect(outcome.actions.isEmpty)
    #expect(outcome.isImplicitlyKept)
  }

  @Test func `a rejection says how it is meant (RFC 5429)`() throws {
    #expect(
      try outcome("reject \"no\";", "reject").actions
        == [.reject(reason: "no", isDuringDelivery: false)]
    )
    #expect(
      try outcome("ereject \"no\";", "ereject").actions
        == [.reject(reason: "no", isDuringDelivery: true)]
    )
  }

  @Test func `a redirection carries what the sender wants to be told (RFC 6009)`() throws {
    let outcome = try outcome(
      "redirect :notify \"success,failure\" :ret \"hdrs\" \"a@example.org\";",
      "redirect-dsn"
    )
    guard case .redirect(let redirect) = outcome.actions.first else {
      Issue.record("no redirection")
      return
    }
    #expect(redirect.dsnNotify == "SUCCESS,FAILURE")
    #expect(redirect.dsnReturn == "HDRS")
    let errors = SieveFixture.errors(
      "require \"redirect-dsn\"; redirect :notify \"NEVER,DELAY\" \"a@example.org\";"
    )
    #expect(errors.count == 1)
  }

  @Test func `the envelope of a notification request can be tested (RFC 6009 §4)`() throws {
    var fixture = SieveFixture(
      """
      require ["envelope", "envelope-dsn", "fileinto", "relational"];
      if envelope "notify" "delay" { fileinto "delay"; }
      if envelope "ret" "FULL" { fileinto "full"; }
      if envelope :contains "orcpt" "rfc822" { fileinto "orcpt"; }
      if envelope "envid" "none" { fileinto "envid"; }
      """
    )
    fixture.envelope.dsnNotify = "SUCCESS,DELAY"
    fixture.envelope.dsnReturn = "FULL"
    #expect(try fixture.mailboxes() == ["delay", "full"])
    #expect(
      SieveFixture.errors("require \"envelope\"; if envelope \"notify\" \"x\" { stop; }").count == 1
    )
  }

  @Test func `a copy of a response is filed with flags of its own (RFC 8580)`() throws {
    let outcome = try outcome(
      "vacation :fcc \"Sent\" :flags \"\\\\Seen\" :create \"gone\"; "
        + "notify :fcc \"Sent\" \"mailto:a@example.org\";",
      "vacation",
      "fcc",
      "imap4flags",
      "mailbox",
      "enotify"
    )
    guard case .vacation(let vacation) = outcome.actions.first,
      case .notify(let notification) = outcome.actions.last
    else {
      Issue.record("not both")
      return
    }
    #expect(vacation.fcc?.mailbox == "Sent")
    #expect(vacation.fcc?.delivery.flags == ["\\Seen"])
    #expect(vacation.fcc?.delivery.createsMailbox == true)
    #expect(notification.fcc?.mailbox == "Sent")
    #expect(
      SieveFixture.errors("require [\"vacation\", \"mailbox\"]; vacation :create \"x\";").count == 1
    )
  }

  @Test func `too many actions, redirections or steps fail the run`() throws {
    var fixture = SieveFixture("redirect \"a@example.org\"; redirect \"b@example.org\";")
    fixture.limits.redirects = 1
    #expect(try fixture.outcome().error?.message == "the script redirects more than 1 times")
    fixture.limits = SieveLimits()
    fixture.limits.actions = 1
    #expect(try fixture.outcome().error != nil)
    fixture = SieveFixture("if not not not true { }")
    fixture.limits.instructions = 3
    #expect(try fixture.outcome().error != nil)
  }

  @Test func `hostile patterns and expressions end with an error, not never`() throws {
    let subject = String(repeating: "a", count: 50_000)
    let stars = String(repeating: "a?", count: 200)
    var fixture = SieveFixture(
      "if header :matches \"subject\" \"*\(stars)b*\" { discard; }",
      message: "Subject: \(subject)\n\n"
    )
    fixture.limits.matchSteps = 100_000
    #expect(try fixture.outcome().error != nil)
    fixture = SieveFixture(
      "require \"regex\"; if header :regex \"subject\" \"^(a+)+$\" { discard; }",
      message: "Subject: \(subject.prefix(5_000))b\n\n"
    )
    #expect(try fixture.outcome().error?.message == "a regular expression costs too much")
  }

  @Test func `a question without an answer ends the run, and with one it goes on`() throws {
    var fixture = SieveFixture("require \"mailbox\"; if mailboxexists \"A\" { discard; }")
    fixture.host.unanswered = [.mailboxExists("A")]
    #expect(throws: UnansweredQuestion.self) { try fixture.outcome() }
    fixture.host.unanswered = []
    fixture.host.mailboxes = ["A"]
    #expect(try fixture.outcome().summary == ["discard "])
  }

  @Test func `a script says which fields it asks for, and whether it needs the body`() throws {
    let header = try Script(
      compiling: Array(
        "if header [\"Subject\", \"x\"] \"a\" { } if address \"FROM\" \"b\" { }".utf8
      )
    )
    #expect(header.fieldNames == ["subject", "x", "from"])
    #expect(!header.needsBody)
    let body = try Script(compiling: Array("require \"body\"; if body \"a\" { }".utf8))
    #expect(body.needsBody)
  }
}
