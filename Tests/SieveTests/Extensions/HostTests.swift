import MIME
import Sieve
import Testing

/// What scripts ask their host, and the messages that responses are.
@Suite("Sieve and its host") struct HostTests {
  private func holds(_ test: String, _ needs: String..., host: TestHost) throws -> Bool {
    let required = needs.map { "\"\($0)\"" }.joined(separator: ", ")
    var fixture = SieveFixture("require [\(required)]; if \(test) { discard; }")
    fixture.host = host
    return try fixture.outcome().summary == ["discard "]
  }

  @Test func `mailboxes by name, id and use (RFC 5490, 9042, 8579)`() throws {
    var host = TestHost()
    host.mailboxes = ["A", "B"]
    host.mailboxIDs = ["F1"]
    host.specialUses = ["\\Junk": "Spam"]
    #expect(try holds(#"mailboxexists ["A", "B"]"#, "mailbox", host: host))
    #expect(try !holds(#"mailboxexists ["A", "C"]"#, "mailbox", host: host))
    #expect(try holds(#"mailboxidexists "F1""#, "mailboxid", host: host))
    #expect(try !holds(#"mailboxidexists ["F1", "F2"]"#, "mailboxid", host: host))
    #expect(try holds(#"specialuse_exists "\\Junk""#, "special-use", host: host))
    #expect(try holds(#"specialuse_exists "Spam" "\\Junk""#, "special-use", host: host))
    #expect(try !holds(#"specialuse_exists "A" "\\Junk""#, "special-use", host: host))
    #expect(try !holds(#"specialuse_exists "Junk""#, "special-use", host: host))
  }

  @Test func `fileinto says how the mailbox is named and whether it is made`() throws {
    let outcome = try SieveFixture(
      """
      require ["fileinto", "mailbox", "special-use", "mailboxid"];
      fileinto :create :specialuse "\\\\Archive" "Archive"; fileinto :mailboxid "F1" "A";
      """
    ).outcome()
    guard case .fileInto("Archive", let archive) = outcome.actions[0],
      case .fileInto("A", let other) = outcome.actions[1]
    else {
      Issue.record("not both")
      return
    }
    #expect(archive.createsMailbox)
    #expect(archive.specialUse == "\\Archive")
    #expect(other.mailboxID == "F1")
    #expect(
      SieveFixture.errors(
        "require [\"fileinto\", \"special-use\", \"mailboxid\"]; "
          + "fileinto :specialuse \"\\\\All\" :mailboxid \"F\" \"a\";"
      ).count == 1
    )
  }

  @Test func `annotations, the environment, filters and lists`() throws {
    var host = TestHost()
    host.metadata = ["INBOX:/private/comment": "on", ":/private/admin": "x"]
    host.environment = ["phase": "pre"]
    host.spamPercent = 100
    host.virusLevel = 5
    host.lists = ["urn:ietf:params:sieve:addrbook:default": ["ann@example.com"]]
    #expect(try holds(#"metadata "INBOX" "/private/comment" "ON""#, "mboxmetadata", host: host))
    #expect(try !holds(#"metadata "A" "/private/comment" "on""#, "mboxmetadata", host: host))
    #expect(try holds(#"metadataexists "INBOX" "/private/comment""#, "mboxmetadata", host: host))
    #expect(
      try holds(#"servermetadata :contains "/private/admin" "x""#, "servermetadata", host: host)
    )
    #expect(try !holds(#"servermetadataexists "/private/none""#, "servermetadata", host: host))
    #expect(try holds(#"environment "PHASE" "pre""#, "environment", host: host))
    #expect(try !holds(#"environment :matches "vnd.x" "*""#, "environment", host: host))
    #expect(try holds(#"spamtest "10""#, "spamtest", host: host))
    #expect(try holds(#"spamtest :percent "100""#, "spamtestplus", host: host))
    #expect(try holds(#"virustest "5""#, "virustest", host: host))
    #expect(try holds(#"address :list "from" ":addrbook:default""#, "extlists", host: host))
    #expect(try !holds(#"address :list "to" ":addrbook:default""#, "extlists", host: host))
    #expect(try holds(#"valid_ext_list ":addrbook:default""#, "extlists", host: host))
    host.spamPercent = nil
    #expect(try holds(#"spamtest "0""#, "spamtest", host: host))
    #expect(try holds(#"spamtest :percent """#, "spamtestplus", host: host))
  }

  @Test func `a duplicate is what was seen in an earlier run (RFC 7352)`() throws {
    var fixture = SieveFixture(
      "require \"duplicate\"; if duplicate :handle \"h\" :seconds 60 :last { discard; }"
    )
    let first = try fixture.outcome()
    #expect(first.isImplicitlyKept)
    #expect(first.marks.map(\.id) == ["<one@example.com>"])
    #expect(first.marks.map(\.seconds) == [60])
    #expect(first.marks.map(\.isExtended) == [true])
    fixture.host.seen = ["h:<one@example.com>"]
    #expect(try fixture.outcome().summary == ["discard "])
    fixture.script = "require \"duplicate\"; if duplicate :header \"X-None\" { discard; }"
    #expect(try fixture.outcome().marks.isEmpty)
    fixture.script = "require \"duplicate\"; if duplicate :uniqueid \"u\" { } redirect \"a\";"
    #expect(throws: ScriptErrors.self) { try fixture.outcome() }
  }

  // MARK: Vacation

  private func vacation(_ script: String, _ change: (inout SieveFixture) -> Void = { _ in }) throws
    -> ScriptVacation
  {
    var fixture = SieveFixture(
      "require [\"vacation\", \"vacation-seconds\", \"variables\"]; \(script)"
    )
    fixture.envelope = ScriptEnvelope(from: "ann@example.com", to: "user@example.org")
    change(&fixture)
    guard case .vacation(let vacation) = try fixture.outcome().actions.first else {
      throw CorpusProblem(text: "no vacation")
    }
    return vacation
  }

  @Test func `a reply has the subject, the author and the references it should (RFC 5230 §5)`()
    throws
  {
    let reply = try vacation("vacation \"gone\";")
    #expect(reply.suppression == nil)
    #expect(reply.subject == "Auto: Hello World")
    #expect(reply.seconds == 7 * 24 * 3600)
    let bytes = try reply.message(
      to: ScriptEnvelope(from: "ann@example.com", to: "user@example.org"),
      date: MIMEDate(seconds: 0),
      messageID: "r@example.org",
      boundarySeed: [1]
    )
    let message = MessageParser.parse(bytes)
    #expect(message.header.addresses("To")?.first?.email == "ann@example.com")
    #expect(message.header.addresses("From")?.first?.email == "user@example.org")
    #expect(message.header.messageIDs("In-Reply-To") == ["one@example.com"])
    #expect(message.header.messageIDs("References") == ["one@example.com"])
    #expect(message.header.text("Auto-Submitted")?.hasPrefix("auto-replied") == true)
    #expect(message.parts.first?.decodedText().text.hasPrefix("gone") == true)
  }

  @Test func `a MIME reply is as the script gives it`() throws {
    let reply = try vacation(
      "vacation :mime :subject \"ü\" text:\nContent-Type: text/html\n\n<b>gone</b>\n.\n;"
    )
    let bytes = try reply.message(
      to: ScriptEnvelope(from: "ann@example.com", to: "user@example.org"),
      date: MIMEDate(seconds: 0),
      messageID: "r@example.org",
      boundarySeed: [1]
    )
    let message = MessageParser.parse(bytes)
    #expect(message.header.text("Subject") == "ü")
    #expect(message.header.all("Content-Type").count == 1)
    #expect(message.parts.map(\.contentType.mediaType) == ["text/html"])
    #expect(message.parts.first?.decodedText().text == "<b>gone</b>\n")
  }

  @Test func `who must not be answered is not (RFC 5230 §4.5, §4.6)`() throws {
    func why(_ fields: String, from: String = "ann@example.com") throws
      -> ScriptVacation.Suppression?
    {
      try vacation("vacation \"gone\";") { fixture in
        fixture.envelope.from = from
        fixture.message = fields + SieveFixture.message
      }.suppression
    }
    #expect(try why("", from: "") == .nullSender)
    #expect(try why("", from: "MAILER-DAEMON@example.com") == .automatedSender)
    #expect(try why("", from: "list-request@example.com") == .automatedSender)
    #expect(try why("", from: "user@example.org") == .ownAddress)
    #expect(try why("List-Id: <a.example>\n") == .mailingList)
    #expect(try why("Auto-Submitted: auto-replied; x\n") == .automatic)
    #expect(try why("Auto-Submitted: no\n") == nil)
    #expect(try why("Precedence: bulk\n") == .automatic)
    #expect(try why("X-Auto-Response-Suppress: DR, OOF\n") == .automatic)
    let other = try vacation("vacation \"gone\";") { $0.envelope.to = "other@example.org" }
    #expect(other.suppression == .notAddressed)
    let known = try vacation("vacation :addresses \"Bob+list@example.net\" \"gone\";") {
      $0.envelope.to = "other@example.org"
    }
    #expect(known.suppression == nil)
    #expect(known.from == "bob+list@Example.NET")
    let own = try vacation("vacation \"gone\";") {
      $0.envelope.to = "other@example.org"
      $0.host.ownAddresses = ["user@example.org"]
    }
    #expect(own.suppression == nil)
  }

  @Test func `replies are told apart by handle, else by what is written (RFC 5230 §4.2)`() throws {
    let one = try vacation("vacation \"a\";").tracking
    #expect(try vacation("vacation \"b\";").tracking != one)
    #expect(try vacation("vacation :subject \"a\" \"\";").tracking != one)
    #expect(try vacation("vacation :handle \"h\" \"a\";").tracking != one)
    #expect(
      try vacation("vacation :handle \"h\" \"b\";").tracking
        == vacation("vacation :handle \"h\" \"a\";").tracking
    )
    // Before variables are put in.
    let first = try vacation("set \"x\" \"1\"; vacation \"${x}\";").tracking
    #expect(try vacation("set \"x\" \"2\"; vacation \"${x}\";").tracking == first)
  }

  @Test func `the period has bounds, and seconds may be none (RFC 6131)`() throws {
    #expect(try vacation("vacation :days 0 \"a\";").seconds == 24 * 3600)
    #expect(try vacation("vacation :days 100000 \"a\";").seconds == 365 * 24 * 3600)
    #expect(try vacation("vacation :seconds 0 \"a\";").seconds == 0)
    #expect(try vacation("vacation :seconds 90 \"a\";").seconds == 90)
  }

  // MARK: Other responses

  @Test func `a rejection is told to the sender, unless there is none (RFC 5429)`() throws {
    let original = Array("From: ann@example.com\r\nMessage-ID: <a@b>\r\nSubject: s\r\n\r\nx".utf8)
    let envelope = ScriptEnvelope(from: "ann@example.com", to: "user@example.org")
    let notice = RejectionNotice(reason: "nö", original: original, envelope: envelope)
    let bytes = try #require(notice).message(date: MIMEDate(seconds: 0), messageID: "m@x")
    let message = MessageParser.parse(bytes)
    #expect(message.header.contentType?.parameters["report-type"] == "disposition-notification")
    #expect(message.part(at: "1")?.decodedText().text.contains("nö") == true)
    #expect(
      message.parts.map(\.contentType.mediaType) == [
        "multipart/report", "text/plain", "message/disposition-notification", "text/rfc822-headers",
      ]
    )
    let none = ScriptEnvelope(from: "", to: "user@example.org")
    #expect(RejectionNotice(reason: "no", original: original, envelope: none) == nil)
  }

  @Test func `what goes on says through whom`() {
    var redirect = ScriptRedirect(address: "a@example.org")
    let envelope = ScriptEnvelope(from: "ann@example.com", to: "user@example.org")
    let original = Array("Subject: s\n\nx\n".utf8)
    let sent = MessageParser.parse(redirect.outgoing(original, for: envelope))
    #expect(sent.header.text(ScriptRedirect.traceField) == "user@example.org")
    #expect(sent.header.text("Subject") == "s")
    redirect.message = Array("Subject: t\r\n\r\n".utf8)
    let edited = MessageParser.parse(redirect.outgoing(original, for: envelope))
    #expect(edited.header.text("Subject") == "t")
  }

  @Test func `a notification by mail follows its URI (RFC 5436)`() throws {
    let outcome = try SieveFixture(
      """
      require ["enotify", "variables"];
      if valid_notify_method "mailto:a@example.org" {
        notify :importance "1" :message "néws"
          "mailto:a@example.org,b@example.org?body=hi%20there&X-A=1&from=z@example.org";
      }
      if not valid_notify_method ["mailto:a@example.org", "http://example.org"] { keep; }
      if notify_method_capability "mailto:a@example.org" "Online" ["yes", "maybe"] { discard; }
      """
    ).outcome()
    #expect(outcome.actions.count == 3)
    guard case .notify(let notification) = outcome.actions.first else { return }
    let header = HeaderFields(parsing: Array("Subject: s\r\n\r\n".utf8))
    let envelope = ScriptEnvelope(from: "ann@example.com", to: "user@example.org")
    let mail = try #require(
      notification.mail(
        about: header,
        envelope: envelope,
        date: MIMEDate(seconds: 0),
        messageID: "n@x"
      )
    )
    #expect(mail.recipients == ["a@example.org", "b@example.org"])
    let message = MessageParser.parse(mail.message)
    #expect(message.header.text("Subject") == "néws")
    #expect(message.header.text("X-A") == "1")
    #expect(message.header.text("Importance") == "high")
    #expect(message.header.addresses("From")?.map(\.email) == ["user@example.org"])
    #expect(message.header.text("Auto-Submitted")?.hasPrefix("auto-notified") == true)
    #expect(message.parts.first?.decodedText().text == "hi there")
  }

  @Test(arguments: [
    "mailto:", "mailto:a", "xmpp:a@b", "mailto:a@b.example?x", "mailto:a b@c.example",
  ])
  func `a method that is none does not compile`(_ method: String) {
    #expect(SieveFixture.errors("require \"enotify\"; notify \"\(method)\";").count == 1)
  }
}
