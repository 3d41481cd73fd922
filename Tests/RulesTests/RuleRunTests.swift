import Bytes
import Model
import Testing

@testable import Rules

@Suite("Rules on a message") struct RuleRunTests {
  private func run(_ rules: String..., on message: RuleMessage = RuleFixture.mail) throws -> RuleRun
  {
    RuleFixture.run(
      try rules.map { try RuleFixture.rule("{\"name\":\"r\",\($0)}") },
      on: message
    )
  }

  private func names(_ run: RuleRun) -> [String] { run.disposition.mailboxes.map(\.text) }

  @Test func `without a match nothing is done`() throws {
    let run = try run(#""when":{"from":"bob"},"actions":[{"type":"discard"}]"#)
    #expect(run.disposition.isNothing && run.disposition.isKept)
  }

  @Test func `moves add up, a copy leaves the message, keep brings it back`() throws {
    let moves = try run(
      #""actions":[{"type":"move","mailbox":"A"}]"#,
      #""actions":[{"type":"move","mailbox":"B"},{"type":"move","mailbox":"A"}]"#
    )
    #expect(names(moves) == ["A", "B"] && !moves.disposition.isKept)
    let copied = try run(#""actions":[{"type":"copy","mailbox":"A"}]"#)
    #expect(names(copied) == ["A"] && copied.disposition.isKept)
    let kept = try run(#""actions":[{"type":"move","mailbox":"A"},{"type":"keep"}]"#)
    #expect(names(kept) == ["A"] && kept.disposition.isKept)
    let inbox = try run(#""actions":[{"type":"move","mailbox":"inbox"}]"#)
    #expect(names(inbox) == [] && inbox.disposition.isKept)
  }

  @Test func `what is discarded and filed is filed`() throws {
    let both = try run(
      #""actions":[{"type":"discard"}]"#,
      #""actions":[{"type":"move","mailbox":"A"}]"#
    )
    #expect(!both.disposition.isDiscarded && names(both) == ["A"])
    let gone = try run(#""actions":[{"type":"discard"}]"#)
    #expect(gone.disposition.isDiscarded && !gone.disposition.isKept)
  }

  @Test
  func `a rule that stops hides those behind it, one that does not match or is off hides none`()
    throws
  {
    let run = try run(
      #""when":{"from":"bob"},"actions":[],"stop":true"#,
      #""enabled":false,"actions":[],"stop":true"#,
      #""actions":[{"type":"addKeywords","keywords":["a"]}],"stop":true"#,
      #""actions":[{"type":"addKeywords","keywords":["b"]}]"#
    )
    #expect(run.outcomes.map(\.index) == [0, 2, 3])
    #expect(run.outcomes.map(\.matched) == [false, true, nil])
    #expect(run.disposition.addedKeywords == ["a"])
  }

  @Test func `conditions see the keywords that earlier rules gave`() throws {
    let run = try run(
      #""actions":[{"type":"addKeywords","keywords":["$Seen"]},{"type":"removeKeywords","keywords":["old"]}]"#,
      #""when":{"is":"unread"},"actions":[{"type":"discard"}]"#,
      #""when":{"property":"keyword","op":"is","value":"$seen"},"actions":[{"type":"keep"}]"#,
      on: RuleFixture.message("Subject: x\n\ny", keywords: ["old"])
    )
    #expect(run.matched == [0, 2])
    #expect(run.disposition.addedKeywords == ["$seen"])
    #expect(run.disposition.removedKeywords == ["old"])
  }

  @Test func `mail goes on at most a few times, to each address once, and is answered once`() throws
  {
    let redirects = (0..<6).map { #"{"type":"redirect","to":"u\#($0)@example.net"}"# }
    let run = try run(
      #""actions":[\#(redirects.joined(separator: ","))]"#,
      #""actions":[{"type":"redirect","to":"U0@example.net"},{"type":"reply","text":"one"}]"#,
      #""actions":[{"type":"reply","text":"two"}]"#
    )
    #expect(run.disposition.redirects == (0..<4).map { "u\($0)@example.net" })
    #expect(run.disposition.reply?.text == "one")
    #expect(!run.disposition.isKept)
    #expect(run.refused.map(\.reason) == [.redirectLimit, .redirectLimit, .secondReply])
    #expect(run.refused.map(\.place.action) == [4, 5, 0])
    #expect(run.redirectPlaces.map(\.action) == [0, 1, 2, 3] && run.replyPlace?.rule == 1)
  }

  @Test func `a few are told of a message, each once`() throws {
    let notes = (0..<6).map { #"{"type":"notify","to":"u\#($0 % 5)@example.net"}"# }
    let run = try run(#""actions":[\#(notes.joined(separator: ","))]"#)
    #expect(run.disposition.notifications.map(\.address) == (0..<4).map { "u\($0)@example.net" })
    #expect(run.refused.map(\.reason) == [.notifyLimit])
    #expect(run.disposition.isKept && run.disposition.sends)
  }

  @Test func `what would come back to the account is not sent on, and stays`() throws {
    let run = try run(#""actions":[{"type":"redirect","to":"ADA@example.org"}]"#)
    #expect(run.disposition.isNothing && run.disposition.isKept)
    #expect(run.refused == [RefusedAction(ActionPlace(rule: 0, action: 0), .ownAddress)])
  }

  @Test(arguments: [
    (#""firstDay":"2026-11-24""#, true), (#""firstDay":"2026-11-25""#, false),
    (#""lastDay":"2026-11-24""#, true), (#""lastDay":"2026-11-23""#, false),
    (#""firstDay":"2026-11-01","lastDay":"2026-11-30""#, true),
  ])
  func `a reply has its days`(_ days: String, _ isSent: Bool) throws {
    let run = try run(#""actions":[{"type":"reply","text":"x",\#(days)}]"#)
    #expect((run.disposition.reply != nil) == isSent)
  }
}
