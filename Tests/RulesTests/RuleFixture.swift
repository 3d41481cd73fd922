import Bytes
import MIME
import Model
import Sieve
import Testing

@testable import Rules

/// Rules and messages as tests write them.
enum RuleFixture {
  static let own = ["ada@example.org", "ada@home.example"]
  /// 2026-11-24T10:00:00Z, a Tuesday.
  static let now = Timestamp(seconds: 1_795_514_400)
  static let list = ID<AddressListing>(7)

  static let context = RuleContext(
    ownAddresses: own,
    lists: [list: ["bob@example.net", "@friends.example"]],
    now: now
  )

  static let mailboxes = [
    ("mbx_1", "INBOX", "inbox"), ("mbx_2", "Archive", "archive"), ("mbx_3", "Trash", "trash"),
    ("mbx_4", "Spam", "junk"), ("mbx_5", "Lists/Swift", nil),
  ].map { ScriptTarget.Mailbox(id: $0, path: $1, role: $2, delimiter: "/") }

  static func target(_ capabilities: Set<String>? = Set(Capabilities.names)) -> ScriptTarget {
    ScriptTarget(
      capabilities: capabilities,
      mailboxes: mailboxes,
      ownAddresses: own,
      lists: context.lists,
      canSend: true
    )
  }

  static func json(_ text: String) throws -> JSONValue {
    let bytes = Array(text.utf8)
    return try JSONReader.parse(bytes.span)
  }

  /// The rule that JSON spells; a fault fails the test.
  static func rule(
    _ text: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Rule {
    var reader = RuleReader()
    let rule = reader.rule(try json(text))
    #expect(reader.faults == [], sourceLocation: sourceLocation)
    return try #require(rule, sourceLocation: sourceLocation)
  }

  /// A rule that puts what meets a condition into a mailbox.
  static func rule(
    when condition: String,
    actions: String = #"[{"type":"move","mailbox":"Found"}]"#,
    stop: Bool = false
  ) throws -> Rule {
    try rule(#"{"name":"r","when":\#(condition),"actions":\#(actions),"stop":\#(stop)}"#)
  }

  static func message(_ text: String, keywords: Set<String> = []) -> RuleMessage {
    let raw = LineEnds.canonical(Array(text.utf8))
    var message = RuleMessage(
      MessageParser.parse(raw),
      envelope: ScriptEnvelope(from: "sender@example.com", to: "ada+tag@example.org"),
      receivedAt: now
    )
    message.keywords = keywords
    message.mailboxNames = ["mbx_1", "inbox"]
    return message
  }

  static let mail = message(
    """
    From: "Grace Hopper" <grace@navy.example.com>
    To: Ada <ada@example.org>
    Cc: bob+lists@example.net, carol@friends.example
    Subject: =?utf-8?q?Quarterly_r=C3=A9port?= Q3
    Date: Mon, 23 Nov 2026 08:30:00 +0100
    List-Id: Compiler people <compiler.lists.example>
    X-Priority: 1 (Highest)
    X-Twice: one
    X-Twice: two
    MIME-Version: 1.0
    Content-Type: multipart/mixed; boundary="b"

    --b
    Content-Type: text/plain

    The numbers you asked for.
    --b
    Content-Type: application/pdf; name="q3.pdf"
    Content-Disposition: attachment; filename="Q3 report.pdf"

    %PDF
    --b--
    """
  )

  static func run(_ rules: [Rule], on message: RuleMessage = mail) -> RuleRun {
    RuleRun(rules, on: message, context: context)
  }
}
