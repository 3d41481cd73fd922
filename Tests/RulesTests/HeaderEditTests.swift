import Bytes
import MIME
import Model
import Sieve
import Testing

@testable import Rules

@Suite("Rules that change headers (RFC 5293)") struct HeaderEditTests {
  private func header(_ run: RuleRun) -> String {
    String(decoding: run.message.header.fieldBytes, as: UTF8.self)
  }

  private func rule(_ actions: String, when condition: String = "null") throws -> Rule {
    try RuleFixture.rule(#"{"name":"r","when":\#(condition),"actions":[\#(actions)]}"#)
  }

  private static let mail = RuleFixture.message(
    "Received: by x; Tue, 24 Nov 2026 10:00:00 +0000\nX-A: one\nSubject: s\nx-a: two\n\nbody\n"
  )

  @Test func `a field is added above the others, in encoded words where it must be`() throws {
    let run = RuleFixture.run(
      [try rule(#"{"type":"addHeader","name":"X-Case","value":" näh "}"#)],
      on: Self.mail
    )
    #expect(header(run).hasPrefix("X-Case: =?utf-8?"))
    #expect(run.message.header.text("x-case") == "näh")
    #expect(run.disposition.isEdited)
    let added = header(run).utf8.count - Self.mail.header.fieldBytes.count
    #expect(run.message.size - Self.mail.size == Int64(added))
  }

  @Test
  func `a field that is there with the value is not added again, nor one deleted that is not`()
    throws
  {
    let run = RuleFixture.run(
      [
        try rule(#"{"type":"addHeader","name":"x-A","value":"two"}"#),
        try rule(#"{"type":"deleteHeader","name":"X-None"}"#),
      ],
      on: Self.mail
    )
    #expect(!run.disposition.isEdited && run.edits.isEmpty)
    #expect(run.disposition.isNothing)
  }

  @Test func `all fields of a name go, but for those that keep mail from going round`() throws {
    let run = RuleFixture.run(
      [
        try rule(
          #"{"type":"deleteHeader","name":"X-a"},{"type":"deleteHeader","name":"received"}"#
        )
      ],
      on: Self.mail
    )
    #expect(
      header(run) == "Received: by x; Tue, 24 Nov 2026 10:00:00 +0000\r\nSubject: s\r\n"
    )
    #expect(
      run.refused == [RefusedAction(ActionPlace(rule: 0, action: 1), .protectedField)]
    )
  }

  @Test func `later rules look at what earlier ones changed, and what goes on has it so far`()
    throws
  {
    let run = RuleFixture.run(
      [
        try rule(
          #"{"type":"redirect","to":"a@example.net","keep":true},{"type":"addHeader","name":"X-New","value":"1"},{"type":"redirect","to":"b@example.net","keep":true}"#
        ),
        try rule(
          #"{"type":"addKeywords","keywords":["seen-it"]},{"type":"deleteHeader","name":"X-New"}"#,
          when: #"{"header":"X-New=1"}"#
        ),
        try rule(#"{"type":"discard"}"#, when: #"{"header":"X-New"}"#),
      ],
      on: Self.mail
    )
    #expect(run.matched == [0, 1])
    #expect(run.editsOfRedirects == [0, 1])
    #expect(run.disposition.addedKeywords == ["seen-it"])
    // In the end it is as it was.
    #expect(!run.disposition.isEdited && run.edits.count == 2)
  }

  @Test func `a header is written whole where a rule may change it`() throws {
    let needs = RuleNeeds(of: [try rule(#"{"type":"deleteHeader","name":"X-a"}"#)])
    #expect(needs.wholeHeader && !needs.body)
  }

  @Test func `the service does it for any account but one whose server keeps its UIDs to itself`()
    throws
  {
    let edit = try rule(#"{"type":"addHeader","name":"X-A","value":"1"}"#)
    var target = RuleFixture.target(["fileinto"])
    #expect(RuleScript([edit], for: target).placements[0].map(\.side) == [.service])
    target.canEditHeaders = false
    let placement = RuleScript([edit], for: target).placements[0][0]
    #expect(placement.side == .unsupported && placement.reason?.contains("UIDPLUS") == true)
    target.capabilities = ["editheader"]
    #expect(RuleScript([edit], for: target).placements[0].map(\.side) == [.sieve])
    let filed = try rule(#"{"type":"copy","mailbox":"Archive"}"#)
    let behind = RuleScript([filed, edit], for: RuleFixture.target()).placements[1][0]
    #expect(behind.side == .service)
  }

  @Test func `what of a message is no field stays byte for byte`() {
    let raw = Array("A: 1\r\nstray line\r\nB: 2\r\n 3\r\nC: 4\r\n\r\n\0body\n".utf8)
    let message = MessageParser.parse(raw)
    let header = message.header
    #expect(message.message(with: header) == raw)
    let removed = header.removing(header.all("b"))
    #expect(
      message.message(with: removed).map { String(decoding: $0, as: UTF8.self) }
        == "A: 1\r\nstray line\r\nC: 4\r\n\r\n\0body\n"
    )
  }
}
