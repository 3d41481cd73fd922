import Bytes
import MIME
import Model
import Postgres
import Store
import TestSupport
import Testing

@testable import Engine

@Suite("Delivery status notifications (RFC 3464)", .serialized, .timeLimit(.minutes(3)))
struct DeliveryReportTests {
  private static func server(_ port: UInt16) -> BackendSettings {
    BackendSettings(
      kind: .smtp,
      host: "127.0.0.1",
      port: port,
      security: .none,
      authType: .none,
      username: nil
    )
  }

  private static func letter(from sender: String) -> String {
    "From: <\(sender)>\r\nMessage-ID: <original@test.invalid>\r\nSubject: Grüße\r\n\r\nTHE END\r\n"
  }

  /// The one message in an inbox, whole.
  private func report(_ service: TestService, _ account: ID<Account>) async throws -> [UInt8] {
    try await eventually("a report") { try await service.messages(of: account).count == 1 }
    let id = try await service.messages(of: account)[0].id
    return try await service.engine.openRaw(id, of: account).collect(upTo: 1 << 20).bytes
  }

  /// The part of a report that people read.
  private static func explanation(in report: [UInt8]) -> String {
    MessageParser.parse(report).part(at: "1")?.decodedText().text ?? ""
  }

  @Test func `a recipient that is refused is told to who brought the message, and no other`()
    async throws
  {
    let smtp = try ScriptedServer(scripts: [
      [
        .send("220 mail.x.example ready\r\n"), .expect("EHLO"),
        .send("250-mail.x.example\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"),
        .expect("MAIL FROM"), .send("250 2.1.0 fine\r\n"), .expect("nobody@x.example"),
        .send("550 5.1.1 No such user\r\n"), .expect("bob@x.example"),
        .send("250 2.1.5 fine\r\n"), .expect("DATA"), .send("354 go on\r\n"), .expect("THE END"),
        .expect("."), .send("250 2.0.0 taken\r\n"), .expect("QUIT"), .close,
      ]
    ])
    defer { smtp.stop() }
    try await TestService.with { service in
      let account = try await service.engine.createAccount(
        AccountDraft(
          name: nil,
          email: "ada@test.invalid",
          mode: .online,
          incoming: .local,
          incomingSecret: nil,
          outgoing: Self.server(smtp.port),
          outgoingSecret: nil,
          identities: []
        )
      ).id
      try await MailListenerFixture.with(service, relayNetworks: ["127.0.0.0/8"]) { listener in
        let client = try await listener.client()
        let ends = try await client.bring(
          from: "ada@test.invalid",
          to: "nobody@x.example",
          "bob@x.example",
          message: Self.letter(from: "ada@test.invalid")
        )
        #expect(ends[0].hasPrefix("250"))
      }
      let bytes = try await report(service, account)
      let text = String(decoding: bytes, as: UTF8.self)
      let parsed = MessageParser.parse(bytes)
      #expect(
        parsed.parts.map { "\($0.contentType.type)/\($0.contentType.subtype)" } == [
          "multipart/report", "text/plain", "message/delivery-status", "message/global-headers",
        ]
      )
      #expect(parsed.header.text("Subject") == "Not delivered: Grüße")
      #expect(text.contains("Return-Path: <>\r\n") && text.contains("report-type=delivery-status"))
      #expect(text.contains("Auto-Submitted: auto-replied\r\n"))
      #expect(text.contains("In-Reply-To: <original@test.invalid>\r\n"))
      for line in [
        "Reporting-MTA: dns; ", "Final-Recipient: rfc822; nobody@x.example\r\n",
        "Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; 127.0.0.1\r\n",
        "Diagnostic-Code: smtp; 550 5.1.1 No such user\r\n",
        "Message-ID: <original@test.invalid>\r\n",
      ] { #expect(text.contains(line), "\(line)") }
      let words = Self.explanation(in: bytes)
      #expect(words.contains("nobody@x.example\n    It is not tried any more. The last answer: "))
      for told in [text, words] {
        #expect(!told.contains("bob@x.example") && !told.contains("THE END"))
      }
      // It is kept and not sent, and never made again.
      try await service.restart()
      try await eventually("the copy is filed") {
        try await service.messages(in: "Sent", of: account).count == 1
      }
      #expect(try await service.number("select count(*) from submission") == 1)
      #expect(try await service.number("select count(*) from submission where owes_report") == 0)
      #expect(try await service.messages(of: account).count == 1)
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test
  func `the end of the retries is told, into a mailbox of a server too; the API tells itself`()
    async throws
  {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    let address = dovecot.address(of: user)
    var options = TestService.Options()
    options.engine.sendLifetime = .zero
    try await TestService.with(options) { service in
      let account = try await service.addAccount(
        TestService.imap(dovecot, user),
        outgoing: Self.server(try FreePort.next())
      )
      try await service.waitUntilReady(account)
      var draft = SubmissionDraft(content: .raw(Array(Self.letter(from: address).utf8)))
      draft.envelopeRecipients = ["carol@x.example"]
      _ = try await service.engine.submit(draft, of: account)
      try await MailListenerFixture.with(service, relayNetworks: ["127.0.0.0/8"]) { listener in
        let client = try await listener.client()
        let ends = try await client.bring(
          from: address,
          to: "bob@x.example",
          message: Self.letter(from: address)
        )
        #expect(ends[0].hasPrefix("250"))
      }
      let text = String(decoding: try await report(service, account), as: UTF8.self)
      #expect(text.contains("Final-Recipient: rfc822; bob@x.example\r\n"))
      #expect(text.contains("Status: 4.4.7\r\n") && !text.contains("Diagnostic-Code"))
      try await eventually("it is on the server") {
        try await dovecot.messageCount(user: user) == 1
      }
      try await eventually("both have failed") {
        try await service.number("select count(*) from submission where state = 'failed'") == 2
      }
      // What a crash left is told at the next start.
      await service.stop()
      _ = try await service.query("update submission set owes_report = true")
      try await service.start()
      try await eventually("two more are told") {
        try await service.number("select count(*) from submission where owes_report") == 0
      }
      #expect(try await service.messages(of: account).count == 3)
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `addresses beyond ASCII, an answer that was lost, and no sender`() async throws {
    try await TestService.with { service in
      let account = try await service.addLocalAccount("ada")
      var new = NewSubmission(
        identityID: nil,
        sender: "ada@test.invalid",
        recipients: ["jürgen+\\a=b@x.example"],
        message: Array("From: <ada@test.invalid>\nSubject: x\n y\n\nbody\n".utf8),
        messageID: nil,
        subject: nil,
        sendAt: nil,
        undoUntil: nil,
        answers: nil
      )
      new.owesReport = true
      var record = try await service.store.insertSubmission(new, of: account)
      record.recipients[0].state = "unknown"
      record.recipients[0].code = 451
      record.recipients[0].reply = "The connection\r\nbroke off."
      let made = DeliveryStatusNotification(
        submission: record,
        original: new.message,
        hostName: "mail.example",
        remoteHost: "smtp.example",
        date: MIMEDate(seconds: 0),
        messageID: "1@\(String(repeating: "mail.", count: 40))example",
        seed: [UInt8](0..<16)
      )
      let text = String(decoding: made.message, as: UTF8.self)
      let address = #"j\x{FC}rgen\x{2B}\x{5C}a\x{3D}b@x.example"#
      #expect(text.contains("Final-Recipient: utf-8; \(address)\r\n"))
      #expect(text.contains("Status: 4.4.2\r\n") && text.contains("Subject: x\r\n y\r\n"))
      #expect(text.contains("Diagnostic-Code: smtp; 451") && !text.contains("\r\nbroke"))
      #expect(Self.explanation(in: made.message).contains("broke off."))
      let boundary = MessageParser.parse(made.message).parts[0].contentType.boundary
      #expect(try #require(boundary).utf8.count <= 70)
      record.sender = ""
      try await DeliveryReport(record, service.engine.services).file { _ in }
      #expect(try await service.messages(of: account).isEmpty)
      #expect(try await service.number("select count(*) from submission where owes_report") == 0)
    }
  }

  @Test func `a sender and a header in UTF-8 stand in the report as they are (RFC 6532, RFC 6533)`()
    async throws
  {
    let sender = "dsñ@test.invalid"
    let long = "\(String(repeating: "ñ", count: 32))@test.invalid"
    try await TestService.with { service in
      let account = try await service.addLocalAccount("ada")
      for (header, type) in [
        (Array("From: <\(sender)>\r\nSubject: Grüße\r\n".utf8), "message/global-headers"),
        (Array("From: <a@b.c>\r\nSubject: x\r\n".utf8), "text/rfc822-headers"),
        (Array("Subject: ".utf8) + [0xFC, 0x0D, 0x0A], "text/rfc822-headers"),
      ] {
        let original = header + Array("\r\nbody\r\n".utf8)
        for address in [sender, long, "ada@test.invalid"] {
          let text = try await made(service, account, from: address, original)
          #expect(text.contains("\r\nTo: <\(address)>\r\n"))
          let parsed = MessageParser.parse(Array(text.utf8))
          let last = try #require(parsed.parts.last?.contentType)
          #expect("\(last.type)/\(last.subtype)" == type)
        }
      }
    }
  }

  /// The report of a message that nobody got.
  private func made(
    _ service: TestService,
    _ account: ID<Account>,
    from sender: String,
    _ original: [UInt8]
  ) async throws -> String {
    let new = NewSubmission(
      identityID: nil,
      sender: sender,
      recipients: ["bob@x.example"],
      message: original,
      messageID: nil,
      subject: nil,
      sendAt: nil,
      undoUntil: nil,
      answers: nil
    )
    var record = try await service.store.insertSubmission(new, of: account)
    record.recipients[0].state = "refused"
    let notification = DeliveryStatusNotification(
      submission: record,
      original: original,
      hostName: "mail.example",
      remoteHost: nil,
      date: MIMEDate(seconds: 0),
      messageID: "1@mail.example",
      seed: [1, 2, 3]
    )
    return String(decoding: notification.message, as: UTF8.self)
  }
}
