import Bytes
import TestSupport
import Testing

@testable import Rules

@Suite("Filters of other programs") struct FilterImportTests {
  static let gmail = """
    <?xml version='1.0' encoding='UTF-8'?><feed xmlns='http://www.w3.org/2005/Atom'
     xmlns:apps='http://schemas.google.com/apps/2006'><title>Mail Filters</title>
    <entry><category term='filter'></category><title>Mail Filter</title><content></content>
      <apps:property name='from' value='ada@example.org OR bob'/>
      <apps:property name='label' value='Friends/Old &amp; new'/>
      <apps:property name='shouldArchive' value='true'/>
      <apps:property name='sizeOperator' value='s_sl'/><apps:property name='sizeUnit' value='s_smb'/>
    </entry>
    <entry><apps:property name='to' value='me'/><apps:property name='hasAttachment' value='true'/>
      <apps:property name='size' value='5'/><apps:property name='sizeOperator' value='s_ss'/>
      <apps:property name='sizeUnit' value='s_smb'/><apps:property name='label' value='Big ones'/>
      <apps:property name='shouldMarkAsRead' value='true'/><apps:property name='shouldStar' value='true'/>
      <apps:property name='forwardTo' value='eve@example.net'/>
      <apps:property name='smartLabelToApply' value='^smartlabel_social'/></entry>
    <entry><apps:property name='hasTheWord' value='list:swift.org -{spam "big deal"}'/>
      <apps:property name='doesNotHaveTheWord' value='x'/>
      <apps:property name='shouldTrash' value='true'/></entry>
    <entry><apps:property name='hasTheWord' value='label:work'/>
      <apps:property name='shouldArchive' value='true'/></entry>
    </feed>
    """

  static let thunderbird = #"""
    version="9"
    logging="no"
    name="Swift \"lists\""
    enabled="yes"
    type="17"
    action="Move to folder"
    actionValue="imap://ada%40example.org@imap.example.org/Lists/Swift%20x"
    action="Mark read"
    action="Stop execution"
    condition="AND (subject,contains,swift) AND (from,isn't,bob@example.net) AND (\"list-id\",contains,\"a,(b)\")"
    name="Old"
    enabled="no"
    type="16"
    action="AddTag"
    actionValue="$label1"
    action="Change priority"
    actionValue="Low"
    condition="OR (age in days,is greater than,30) OR (size,is greater than,2048) OR (date,is before,01-Feb-2026)"
    name="Book"
    enabled="yes"
    type="17"
    action="JunkScore"
    actionValue="100"
    condition="AND (from,isn't in ab,jsaddrbook://abook.sqlite)"
    name="All"
    enabled="yes"
    type="1"
    action="Copy to folder"
    actionValue="mailbox://nobody@Local%20Folders/Copy"
    action="Forward"
    actionValue="eve@example.net"
    condition="ALL"

    """#

  static let roundcube = """
    require ["fileinto","imap4flags","variables"];
    # rule:[Lists]
    if anyof (header :contains "list-id" "swift", not address :is "from" "a@b.example")
    {
    	fileinto "Lists";
    	stop;
    }
    # rule:[Off]
    if false # allof (header :contains "subject" "x")
    {
    	addflag "\\\\Seen";
    }
    # rule:[Set]
    if true
    {
    	set "a" "b";
    }
    # rule:[Odd]
    if header :comparator "i;octet" "subject" "x" { keep; }
    elsif header "subject" "y" { discard; }
    """

  private func read(_ format: FilterFormat, _ text: String) throws -> [ImportedFilter] {
    try format.read(Array(text.utf8))
  }

  private func when(_ filter: ImportedFilter) -> String {
    filter.rule?.filter.map { String(decoding: $0.encoded, as: UTF8.self) } ?? "-"
  }

  private func actions(_ filter: ImportedFilter) -> [String] {
    (filter.rule?.actions ?? []).map { String(decoding: $0.json.encoded, as: UTF8.self) }
  }

  @Test func `Gmail's filters become rules, labels mailboxes or keywords`() throws {
    let filters = try read(.gmail, Self.gmail)
    #expect(filters.map { $0.rule != nil } == [true, true, true, false])
    #expect(
      when(filters[0])
        == #"{"operator":"or","conditions":[{"from":"ada@example.org"},{"from":"bob"}]}"#
    )
    #expect(actions(filters[0]) == [#"{"type":"move","mailbox":"Friends/Old & new"}"#])
    #expect(filters[0].notes.isEmpty && filters[0].name == "from ada@example.org OR bob")
    #expect(
      when(filters[1])
        == #"{"operator":"and","conditions":[{"operator":"or","conditions":[{"to":"me"},{"cc":"me"},{"bcc":"me"}]},{"has":"attachment"},{"smaller":5242880}]}"#
    )
    #expect(
      actions(filters[1]) == [
        #"{"type":"addKeywords","keywords":["Big_ones"]}"#,
        #"{"type":"addKeywords","keywords":["$seen"]}"#,
        #"{"type":"addKeywords","keywords":["$flagged"]}"#,
        #"{"type":"redirect","to":"eve@example.net","keep":true}"#,
      ]
    )
    #expect(filters[1].notes.count == 2)
    #expect(
      when(filters[2])
        == #"{"operator":"and","conditions":[{"operator":"and","conditions":[{"list":"swift.org"},{"operator":"not","conditions":[{"operator":"or","conditions":[{"operator":"or","conditions":[{"text":"spam"},{"body":"spam"}]},{"operator":"or","conditions":[{"phrase":"big deal"},{"body":"big deal"}]}]}]}]},{"operator":"not","conditions":[{"operator":"or","conditions":[{"text":"x"},{"body":"x"}]}]}]}"#
    )
    #expect(
      filters[3].notes == [.init("hasTheWord=label:work", "Rules have no label:.")]
    )
  }

  @Test(
    arguments: [
      ("from:(ada OR bob)", #"{"operator":"or","conditions":[{"from":"ada"},{"from":"bob"}]}"#),
      ("subject:\"a b\"", #"{"subject":"a b"}"#),
      ("larger:5M", #"{"larger":5242880}"#),
      ("is:read", #"{"operator":"not","conditions":[{"is":"unread"}]}"#),
      (
        "cc:a bcc:b OR cc:c",
        #"{"operator":"and","conditions":[{"cc":"a"},{"operator":"or","conditions":[{"bcc":"b"},{"cc":"c"}]}]}"#
      ),
      ("(from:a", nil), ("from:a)", nil), ("{}", nil), ("from:", nil), ("in:inbox", nil),
      ("older_than:5d", nil), (String(repeating: "(", count: 50) + "a", nil), ("", nil),
      (String(repeating: "a ", count: 2_000), nil),
    ] as [(String, String?)]
  )
  func `searches of Gmail are conditions`(_ text: String, _ expected: String?) {
    let condition: JSONValue?
    do throws(GmailQueryError) {
      condition = try GmailQuery.parse(text, field: nil, depth: 16)
    } catch {
      #expect(!error.reason.isEmpty)
      condition = nil
    }
    #expect(condition.map { String(decoding: $0.encoded, as: UTF8.self) } == expected)
  }

  @Test func `Thunderbird's filters become rules, with their order, stop and trigger`() throws {
    let filters = try read(.thunderbird, Self.thunderbird)
    #expect(filters.map(\.name) == ["Swift \"lists\"", "Old", "Book", "All"])
    #expect(
      when(filters[0])
        == #"{"operator":"and","conditions":[{"property":"subject","op":"contains","value":"swift"},{"operator":"not","conditions":[{"operator":"or","conditions":[{"property":"from.address","op":"is","value":"bob@example.net"},{"property":"from.name","op":"is","value":"bob@example.net"}]}]},{"property":"header.list-id","op":"contains","value":"a,(b)"}]}"#
    )
    #expect(
      actions(filters[0]) == [
        #"{"type":"move","mailbox":"Lists/Swift x"}"#,
        #"{"type":"addKeywords","keywords":["$seen"]}"#,
      ]
    )
    let first = try #require(filters[0].rule)
    #expect(first.stops && first.isEnabled && first.trigger == .delivery)
    let second = try #require(filters[1].rule)
    #expect(!second.isEnabled && second.trigger == .stored)
    #expect(
      when(filters[1])
        == #"{"operator":"or","conditions":[{"property":"sent.age","op":"over","value":"30"},{"larger":2097152},{"property":"sent.date","op":"under","value":"2026-02-01"}]}"#
    )
    #expect(filters[1].notes.map(\.part) == ["Change priority Low"])
    #expect(filters[2].rule == nil && filters[2].notes.count == 1)
    let last = try #require(filters[3].rule)
    #expect(last.condition == nil && last.actions.count == 2)
  }

  @Test func `a script becomes rules command by command, what is switched off too`() throws {
    let filters = try read(.sieve, Self.roundcube)
    #expect(filters.map(\.name) == ["Lists", "Off", "Set", "Odd", "Rule 5"])
    #expect(filters.map { $0.rule != nil } == [true, true, false, false, false])
    #expect(filters[0].rule?.stops == true)
    #expect(filters[1].rule?.isEnabled == false)
    #expect(when(filters[1]).contains("header.subject"))
    #expect(filters[2].notes.map(\.part) == ["line 16: set"])
    #expect(filters[3].notes.map(\.part) == ["line 19: header"])
    #expect(filters[4].notes.map(\.reason) == ["It stands behind a test that rules cannot say."])
  }

  @Test(arguments: [
    (FilterFormat.gmail, "<!DOCTYPE a [<!ENTITY b 'c'>]><feed>&b;</feed>"),
    (.gmail, "<feed><!-- --><!ENTITY x 'y'></feed>"), (.gmail, "<feed><entry></feed>"),
    (.gmail, "<feed>&nothing;</feed>"), (.gmail, "not XML"), (.gmail, ""),
    (.gmail, "<html></html>"),
    (.gmail, String(repeating: "<feed>", count: 100)),
    (.gmail, "<feed>" + String(repeating: "<entry/>", count: 1_001) + "</feed>"),
    (.thunderbird, "name=\"a\"\nenabled=yes\n"), (.thunderbird, "<feed/>"),
    (.thunderbird, String(repeating: "name=\"a\"\n", count: 1_001)), (.sieve, "if {"),
  ])
  func `what is no file of filters is refused`(_ format: FilterFormat, _ text: String) {
    #expect(throws: FilterFileError.self) { try read(format, text) }
  }

  @Test func `the text is UTF-8 whatever it says of itself`() throws {
    func feed(_ encoding: String) -> String {
      """
      <?xml version='1.0' encoding='\(encoding)'?><feed><entry><property name='from' value='\u{E9}'/>
      <property name='shouldTrash' value='true'/></entry></feed>
      """
    }
    for encoding in ["ISO-8859-1", "UTF-7", "UTF-16"] {
      #expect(when(try read(.gmail, feed(encoding))[0]) == "{\"from\":\"\u{E9}\"}")
    }
    #expect(throws: FilterFileError.self) { try FilterFormat.gmail.read([0xFF, 0xFE, 0x3C, 0]) }
  }
}
