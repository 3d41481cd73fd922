import Bytes
import Model
import Testing

@testable import Rules

@Suite("Conditions of rules") struct ConditionTests {
  @Test(arguments: [
    (#"{"from":"grace"}"#, true), (#"{"from":"Hopper\" <GRACE"}"#, true),
    (#"{"subject":"réport"}"#, true), (#"{"cc":"carol"}"#, true), (#"{"to":"carol"}"#, false),
    (#"{"list":"compiler"}"#, true), (#"{"header":"X-Twice=two"}"#, true),
    (#"{"header":"X-Twice"}"#, true), (#"{"header":"X-None"}"#, false),
    (#"{"body":"numbers you"}"#, true), (#"{"filename":"report.pdf"}"#, true),
    (#"{"has":"attachment"}"#, true), (#"{"is":"unread"}"#, true), (#"{"is":"flagged"}"#, false),
    (#"{"in":"inbox"}"#, true), (#"{"in":"archive"}"#, false),
    (#"{"larger":100}"#, true), (#"{"smaller":100}"#, false),
    (#"{"before":"2026-11-24"}"#, false), (#"{"after":"2026-11-24"}"#, true),
    (#"{"text":"quart"}"#, true), (#"{"phrase":"you asked"}"#, true),
    (#"{"phrase":"asked you"}"#, false),
    (#"{"from":"grace","subject":"nothing"}"#, false),
    (#"{"operator":"not","conditions":[{"from":"bob"},{"subject":"x-ray"}]}"#, true),
    (#"{"operator":"or","conditions":[{"from":"bob"},{"subject":"q3"}]}"#, true),
  ])
  func `terms of search hold as in a search`(_ condition: String, _ holds: Bool) throws {
    #expect(try matches(condition) == holds)
  }

  @Test(arguments: [
    (#""property":"from.address","op":"is","value":"GRACE@navy.example.com""#, true),
    (#""property":"from.domain","op":"ends","value":".example.com""#, true),
    (#""property":"from.name","op":"contains","value":"hopper""#, true),
    (#""property":"from.local","op":"is","value":["grace","bob"]"#, true),
    (#""property":"cc.user","op":"is","value":"bob""#, true),
    (#""property":"cc.detail","op":"is","value":"lists""#, true),
    (#""property":"recipient.domain","op":"is","value":"friends.example""#, true),
    (#""property":"cc.address","op":"inList","value":"LIST""#, true),
    (#""property":"from.address","op":"inList","value":"LIST""#, false),
    (#""property":"recipient.count","op":"is","value":3"#, true),
    (#""property":"to.count","op":"over","value":1"#, false),
    (#""property":"header.X-Twice.count","op":"is","value":2"#, true),
    (#""property":"subject","op":"begins","value":"quarterly""#, true),
    (#""property":"subject","op":"ends","value":"q3""#, true),
    (#""property":"subject","op":"matches","value":"*r?*port*""#, true),
    (#""property":"subject","op":"regex","value":"Q[0-9]$""#, true),
    (#""property":"anyHeader","op":"contains","value":"highest""#, true),
    (#""property":"envelope.from.domain","op":"is","value":"example.com""#, true),
    (#""property":"envelope.to.detail","op":"is","value":"tag""#, true),
    (#""property":"body","op":"contains","value":"asked""#, true),
    (#""property":"attachment.name","op":"ends","value":".pdf""#, true),
    (#""property":"attachment.type","op":"is","value":"application/pdf""#, true),
    (#""property":"importance","op":"is","value":"high""#, true),
    (#""property":"importance","op":"is","value":["low","normal"]"#, false),
    (#""property":"kind","op":"is","value":["signed","mailingList"]"#, true),
    (#""property":"kind","op":"is","value":"automatic""#, false),
    (#""property":"toMe""#, true), (#""property":"ccMe""#, false),
    (#""property":"onlyToMe""#, false),
    (#""property":"sent.weekday","op":"is","value":"1""#, true),
    (#""property":"sent.time","op":"under","value":"08:00:00""#, true),
    (#""property":"received.date","op":"over","value":"2026-11-23""#, true),
    (#""property":"sent.age","op":"under","value":3"#, true),
    (#""property":"keyword","op":"is","value":"$seen""#, false),
  ])
  func `tests that only rules know hold`(_ test: String, _ holds: Bool) throws {
    let condition = "{\(test.replacing("LIST", with: RuleFixture.list.description))}"
    #expect(try matches(condition) == holds, "\(test)")
  }

  private func matches(_ condition: String) throws -> Bool {
    RuleFixture.run([try RuleFixture.rule(when: condition)]).matched == [0]
  }

  @Test(arguments: [
    (#"{"from":"bob","subject":"q3"}"#, ["/when/from"]),
    (#"{"from":"bob","subject":"zz"}"#, ["/when/from", "/when/subject"]),
    (
      #"{"operator":"or","conditions":[{"from":"bob"},{"subject":"zz"}]}"#,
      ["/when/conditions/0/from", "/when/conditions/1/subject"]
    ),
    (
      #"{"operator":"not","conditions":[{"from":"bob"},{"property":"toMe"}]}"#,
      ["/when/conditions/1"]
    ),
  ])
  func `a condition that fails names the clauses that made it fail`(
    _ condition: String,
    _ pointers: [String]
  ) throws {
    let run = RuleFixture.run([try RuleFixture.rule(when: condition)])
    #expect(run.outcomes[0].matched == false)
    #expect(run.outcomes[0].deciding == pointers)
  }

  @Test func `what rules look at is known before the message is read`() throws {
    let header = try RuleFixture.rule(when: #"{"from":"a","header":"X-A"}"#)
    #expect(RuleNeeds(of: [header]).fields == ["from", "x-a"])
    #expect(!RuleNeeds(of: [header]).body)
    let body = try RuleFixture.rule(when: #"{"operator":"not","conditions":[{"body":"x"}]}"#)
    #expect(RuleNeeds(of: [header, body]).body)
  }

  @Test func `any search becomes a condition, and is read from it again`() throws {
    for text in [
      "from:ada subject:\"two words\" OR -is:unread", "has:attachment larger:5M before:2026-11-22",
      "header:X-A=b header:List-Id (a OR \"b c\") -in:archive",
    ] {
      let query = try SearchParser.parse(text)
      #expect(try SearchQuery.parse(filter: query.filter) == query, "\(text)")
      let rule = try RuleFixture.rule(
        #"{"name":"r","q":\#(String(decoding: JSONValue.string(text).encoded, as: UTF8.self)),"actions":[]}"#
      )
      #expect(rule.condition?.query == query)
    }
  }
}
