import Bytes
import Testing

@testable import Rules

/// What becomes of filters behind one that could have kept messages from them.
@Suite("Filters behind those that are left out") struct FilterGuardTests {
  /// Which filters became rules that are on, which rules that are off, and which none.
  private func states(_ format: FilterFormat, _ text: String) throws -> [Bool?] {
    var filters = try format.read(Array(text.utf8))
    if format.isOrdered { filters.switchOffUnguarded() }
    for filter in filters where filter.rule?.isEnabled == false {
      #expect(filter.notes.last?.reason.contains("left out") == true)
    }
    return filters.map { $0.rule?.isEnabled }
  }

  @Test(arguments: [
    #"if header :comparator "i;octet" :contains "subject" "Boss" { keep; stop; } discard;"#,
    #"require ["date","relational"]; if currentdate :value "ge" "date" "2026-01-01" { stop; } discard;"#,
    #"require "fileinto"; if header :comparator "i;octet" "subject" "Boss" { fileinto "Boss"; } discard;"#,
    #"require "imap4flags"; setflag "a"; if hasflag "a" { discard; }"#,
    #"require ["foreverypart","mime"]; foreverypart { stop; } discard;"#,
    #"require "variables"; if header :matches "subject" "*" { redirect "${1}@x.example"; } discard;"#,
    #"if header :comparator "i;octet" "subject" "x" { if true { stop; } } discard;"#,
  ])
  func `what stands behind a command that is left out is off`(_ script: String) throws {
    #expect(try states(.sieve, script) == [nil, false])
  }

  @Test func `a chain that is left out guards what stands behind all of it`() throws {
    let script = """
      if header :comparator "i;octet" "subject" "x" { } elsif true { stop; }
      if true { keep; }
      discard;
      """
    #expect(try states(.sieve, script) == [nil, nil, false, false])
  }

  @Test(arguments: [
    #"require "variables"; set "a" "b"; discard;"#,
    #"require "vacation"; vacation :mime "Content-Type: text/plain"; discard;"#,
    #"require "enotify"; notify "mailto:a@b.example"; discard;"#,
  ])
  func `what no later command can see leaves it on`(_ script: String) throws {
    #expect(try states(.sieve, script) == [nil, true])
  }

  @Test func `a command that is switched off guards nothing`() throws {
    let script = "if false # header :comparator \"i;octet\" \"subject\" \"x\"\n{ stop; }\ndiscard;"
    #expect(try states(.sieve, script) == [nil, true])
  }

  private func thunderbird(_ lines: String, enabled: String = "yes", type: String = "17") -> String
  {
    """
    name="first"
    enabled="\(enabled)"
    type="\(type)"
    \(lines)
    name="last"
    enabled="yes"
    type="17"
    action="Delete"
    condition="ALL"

    """
  }

  private static let book = #"condition="AND (from,is in ab,jsaddrbook://abook.sqlite)""#

  @Test func `Thunderbird's filters behind one that is left out are off`() throws {
    for action in ["Stop execution", "Delete", "Mark read"] {
      let text = thunderbird("action=\"\(action)\"\n\(Self.book)")
      #expect(try states(.thunderbird, text) == [nil, false], "\(action)")
      let off = thunderbird("action=\"\(action)\"\n\(Self.book)", enabled: "no")
      #expect(try states(.thunderbird, off) == [nil, true], "\(action)")
      let sent = thunderbird("action=\"\(action)\"\n\(Self.book)", type: "64")
      #expect(try states(.thunderbird, sent) == [nil, true], "\(action)")
    }
    let copy = thunderbird("action=\"Forward\"\nactionValue=\"a@b.example\"\n\(Self.book)")
    #expect(try states(.thunderbird, copy) == [nil, true])
    // A part of it is lost, by which it kept messages from the other.
    let move = thunderbird("action=\"Move to folder\"\naction=\"Mark read\"\ncondition=\"ALL\"")
    #expect(try states(.thunderbird, move) == [true, false])
  }

  @Test(arguments: [
    "name=\"cut\"\nenabled=\"yes\"\ntype=\"17\"\naction=\"Delete\"\n", "name=\"cut\"\n",
  ])
  func `a filter of Thunderbird without its condition is left out`(_ text: String) throws {
    let filters = try FilterFormat.thunderbird.read(Array(text.utf8))
    #expect(filters.map { $0.rule == nil } == [true])
    #expect(filters[0].notes.map(\.reason) == ["It has no condition."])
  }

  @Test func `Gmail's filters have no order, and each is for itself`() throws {
    let text = """
      <feed><entry><property name='hasTheWord' value='label:x'/><property name='shouldTrash' value='true'/></entry>
      <entry><property name='from' value='a'/><property name='shouldTrash' value='true'/></entry></feed>
      """
    #expect(try states(.gmail, text) == [nil, true])
  }
}
