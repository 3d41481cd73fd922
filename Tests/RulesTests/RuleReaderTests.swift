import Bytes
import Model
import Testing

@testable import Rules

@Suite("Rules as JSON") struct RuleReaderTests {
  static let whole = """
    {"name":"All","enabled":false,"trigger":"stored","when":{"from":"ada"},"actions":[
    {"type":"move","mailbox":"Lists/Swift"},{"type":"copy","mailbox":"mbx_5"},{"type":"keep"},
    {"type":"archive"},{"type":"trash"},{"type":"junk"},{"type":"discard"},
    {"type":"addKeywords","keywords":["$seen","Work"]},{"type":"removeKeywords","keywords":["x"]},
    {"type":"redirect","to":"bob@example.net","keep":true},
    {"type":"reply","text":"Away\\nuntil Monday","subject":"Away","from":"ada@example.org","days":3,"firstDay":"2026-12-01","lastDay":"2026-12-24"},
    {"type":"reject","text":"No"},{"type":"notify","to":"a@b.example","text":"Mail"},
    {"type":"addHeader","name":"X-A","value":"b"},{"type":"deleteHeader","name":"X-A"}],"stop":true}
    """

  @Test func `a rule with every action is written as it was read`() throws {
    let rule = try RuleFixture.rule(Self.whole)
    #expect(rule.actions.count == RuleAction.Name.allCases.count)
    var reader = RuleReader()
    #expect(reader.rule(rule.json) == rule)
  }

  @Test(arguments: [
    (#"[]"#, ""), (#"{"actions":[]}"#, "/name"), (#"{"name":"a"}"#, "/actions"),
    (#"{"name":"","actions":[]}"#, "/name"), (#"{"name":"a","actions":[],"x":1}"#, "/x"),
    (#"{"name":"a","actions":[{}]}"#, "/actions/0/type"),
    (#"{"name":"a","actions":[{"type":"fly"}]}"#, "/actions/0/type"),
    (#"{"name":"a","actions":[{"type":"keep","to":"x"}]}"#, "/actions/0/to"),
    (#"{"name":"a","actions":[{"type":"move"}]}"#, "/actions/0/mailbox"),
    (#"{"name":"a","actions":[{"type":"redirect","to":"nobody"}]}"#, "/actions/0/to"),
    (#"{"name":"a","actions":[{"type":"redirect","to":"a@b\r\nX: y"}]}"#, "/actions/0/to"),
    (
      #"{"name":"a","actions":[{"type":"addKeywords","keywords":["a b"]}]}"#,
      "/actions/0/keywords/0"
    ),
    (#"{"name":"a","actions":[{"type":"reply","text":"x","days":0}]}"#, "/actions/0/days"),
    (
      #"{"name":"a","actions":[{"type":"reply","text":"x","lastDay":"Monday"}]}"#,
      "/actions/0/lastDay"
    ),
    (#"{"name":"a","actions":[],"trigger":"now"}"#, "/trigger"),
    (#"{"name":"a","actions":[],"trigger":"schedule"}"#, "/schedule"),
    (#"{"name":"a","actions":[],"trigger":"schedule","schedule":{"hours":0}}"#, "/schedule/hours"),
    (#"{"name":"a","actions":[],"schedule":{"hours":1}}"#, "/schedule"),
    (#"{"name":"a","actions":[],"when":{"form":"x"}}"#, "/when/form"),
    (
      #"{"name":"a","actions":[],"when":{"property":"from.shoe","op":"is","value":"x"}}"#,
      "/when/property"
    ),
    (#"{"name":"a","actions":[],"when":{"property":"body","op":"is","value":"x"}}"#, "/when/op"),
    (
      #"{"name":"a","actions":[],"when":{"property":"subject","op":"regex","value":"("}}"#,
      "/when/value"
    ),
    (
      #"{"name":"a","actions":[],"when":{"property":"sent.date","op":"is","value":"1"}}"#,
      "/when/value"
    ),
    (
      #"{"name":"a","actions":[],"when":{"operator":"and","conditions":[{"from":"a"},{"is":"red"}]}}"#,
      "/when/conditions/1/is"
    ),
    (#"{"name":"a","actions":[],"q":"from:"}"#, "/q"),
    (#"{"name":"a","actions":[],"q":"!"}"#, "/q"),
    (#"{"name":"a","actions":[],"when":{"text":"a !"}}"#, "/when/text"),
    (#"{"name":"a","actions":[],"q":"x","when":{"from":"x"}}"#, "/q"),
  ])
  func `what is wrong is named by its pointer`(_ text: String, _ pointer: String) throws {
    var reader = RuleReader()
    #expect(reader.rule(try RuleFixture.json(text)) == nil)
    #expect(reader.faults.map(\.pointer) == [pointer])
    #expect(reader.faults.allSatisfy { !$0.detail.isEmpty })
  }

  @Test(arguments: [
    (#""when":5"#, "/when", "type"), (#""when":{"from":5}"#, "/when/from", "type"),
    (#""when":{"nope":5}"#, "/when/nope", "unknown"),
    (#""when":{"operator":1,"conditions":[]}"#, "/when/operator", "type"),
    (#""when":{"property":5}"#, "/when/property", "type"),
    (#""when":{"property":"from.domain","op":"is","value":5}"#, "/when/value", "type"),
    (#""when":{"property":"from.domain","op":"is","value":["a",true]}"#, "/when/value", "type"),
    (#""when":{"property":"from.domain","op":5,"value":"a"}"#, "/when/op", "type"),
    (#""when":{"property":"received.weekday","op":"is","value":9}"#, "/when/value", "format"),
    (#""when":{"property":"received.weekday","op":"is","value":"7"}"#, "/when/value", "format"),
    (#""when":{"property":"sent.month","op":"is","value":"13"}"#, "/when/value", "format"),
    (#""when":{"property":"sent.hour","op":"is","value":"24"}"#, "/when/value", "format"),
    (#""when":{"property":"sent.date","op":"is","value":"2026-02-30"}"#, "/when/value", "format"),
    (#""when":{"property":"sent.time","op":"over","value":"08:60:00"}"#, "/when/value", "format"),
    (#""trigger":"schedule","schedule":{"hours":"1"}"#, "/schedule/hours", "type"),
    (#""trigger":"schedule","schedule":{}"#, "/schedule/hours", "required"),
  ])
  func `a value of another type is told as that, and is nothing else`(
    _ members: String,
    _ pointer: String,
    _ code: String
  ) throws {
    var reader = RuleReader()
    #expect(reader.rule(try RuleFixture.json("{\"name\":\"a\",\"actions\":[],\(members)}")) == nil)
    let faults = reader.faults.filter { $0.pointer == pointer }
    #expect(faults.map(\.code) == [code])
  }

  @Test(arguments: [
    (#"{"type":"move","mailbox":""}"#, "/mailbox", "length"),
    (#"{"type":"reply","text":"x","days":"3"}"#, "/days", "type"),
    (#"{"type":"addKeywords","keywords":[5]}"#, "/keywords/0", "type"),
  ])
  func `a fault of an action is told once`(_ action: String, _ place: String, _ code: String) throws
  {
    var reader = RuleReader()
    #expect(reader.rule(try RuleFixture.json("{\"name\":\"a\",\"actions\":[\(action)]}")) == nil)
    #expect(reader.faults.map(\.pointer) == ["/actions/0\(place)"])
    #expect(reader.faults.map(\.code) == [code])
  }

  @Test(arguments: [
    #"{"from":5}"#, #"{"property":"from.domain","op":"is","value":5}"#,
    #"{"property":"received.weekday","op":"is","value":"9"}"#, #"{"text":"! a"}"#,
    #"{"phrase":"--"}"#,
  ])
  func `a rule that was stored once is read as it was then`(_ condition: String) throws {
    let json = try RuleFixture.json("{\"name\":\"a\",\"actions\":[],\"when\":\(condition)}")
    var reader = RuleReader(isStored: true)
    #expect(reader.rule(json) != nil)
    #expect(reader.faults == [])
  }

  @Test(arguments: [
    #"{"larger":5}"#, #"{"property":"from.count","op":"over","value":2}"#,
    #"{"property":"sent.year","op":"is","value":2026}"#,
    #"{"property":"sent.weekday","op":"is","value":["0",6]}"#,
  ])
  func `numbers stand where numbers are meant`(_ condition: String) throws {
    _ = try RuleFixture.rule("{\"name\":\"a\",\"actions\":[],\"when\":\(condition)}")
  }

  @Test func `a patch changes what it names and nothing else`() throws {
    let base = try RuleFixture.rule(Self.whole)
    var reader = RuleReader()
    let patch = try RuleFixture.json(#"{"enabled":true,"when":null}"#)
    let read = reader.rule(patch, patching: base)
    let changed = try #require(read)
    #expect(changed.isEnabled && changed.condition == nil && changed.filter == nil)
    #expect(changed.actions == base.actions && changed.name == base.name && changed.stops)
  }
}
