import MIME
import Sieve
import Testing

/// Dates, bodies, MIME parts and what scripts change in messages.
@Suite("Sieve on messages") struct MessageTests {
  @Test(arguments: [
    (#"date :originalzone "date" "date" "2026-11-24""#, true),
    (#"date :originalzone "date" "time" "10:11:12""#, true),
    (#"date :originalzone "date" "zone" "+0200""#, true),
    (#"date :zone "+0000" "date" "hour" "08""#, true),
    (#"date :zone "+0000" "date" "iso8601" "2026-11-24T08:11:12Z""#, true),
    (#"date "date" "hour" "08""#, true),
    (#"date :zone "-1000" "date" "day" "23""#, true),
    (#"date :originalzone "date" "iso8601" "2026-11-24T10:11:12+02:00""#, true),
    (#"date :originalzone "date" "std11" "Tue, 24 Nov 2026 10:11:12 +0200""#, true),
    (#"date :originalzone "date" "julian" "61368""#, true),
    (#"date :originalzone "date" "weekday" "2""#, true),
    (#"date :originalzone "date" "year" "2025""#, false),
    (#"date :originalzone "received" "year" "2026""#, true),
    (#"date :originalzone "x-none" "year" "2026""#, false),
    (#"date :value "ge" :originalzone "date" "date" "2026-11-01""#, true),
    (#"currentdate "date" "2026-11-25""#, true),
    (#"currentdate :zone "+1300" "hour" "01""#, true),
    (#"currentdate :value "ge" :comparator "i;ascii-numeric" "hour" "9""#, true),
    (#"date :index 1 :last :originalzone "received" "month" "10""#, true),
  ])
  func `date and currentdate (RFC 5260)`(_ test: String, _ holds: Bool) throws {
    let message =
      "Received: by x; Mon, 2 Nov 2026 01:02:03 +0000\n"
      + "Received: by y; Fri, 2 Oct 2026 01:02:03 +0000\n" + SieveFixture.message
    let needs = ["date", "relational", "comparator-i;ascii-numeric", "index"]
    #expect(try SieveFixture.holds(test, needs, message: message) == holds)
  }

  @Test func `a zone or a part that is none does not compile`() {
    for test in [
      #"date :zone "1" "date" "year" "x""#, #"date "date" "years" "x""#,
      #"currentdate :originalzone "year" "x""#,
    ] {
      #expect(SieveFixture.errors("require \"date\"; if \(test) { stop; }").count == 1, "\(test)")
    }
  }

  static let multipart = """
    From: ann@example.com
    Subject: parts
    MIME-Version: 1.0
    Content-Type: multipart/mixed; boundary="b"

    the prologue
    --b
    Content-Type: text/plain; charset=iso-8859-1
    Content-Transfer-Encoding: quoted-printable

    Gr=FC=DFe
    --b
    Content-Type: text/html

    <p>Bold <b>te</b>xt</p>
    --b
    Content-Type: message/rfc822

    Subject: inner one
    Content-Type: text/plain

    inner body
    --b
    Content-Type: application/pdf; name="report.pdf"
    Content-Disposition: attachment; filename*=utf-8''%C3%A9t%C3%A9.pdf
    Content-Transfer-Encoding: base64

    UERG
    --b--
    the epilogue

    """

  @Test(arguments: [
    (#"body :raw :contains "Gr=FC""#, true),
    (#"body :raw :contains "Subject: parts""#, false),
    (#"body :text :contains "Grüße""#, true),
    (#"body :contains "Bold text""#, true),
    (#"body :content "text/html" :contains "<b>""#, true),
    (#"body :content "text" :contains "inner body""#, true),
    (#"body :content "message/rfc822" :contains "inner one""#, true),
    (#"body :content "message/rfc822" :contains "inner body""#, false),
    (#"body :content "multipart" :contains "prologue""#, true),
    (#"body :content "multipart" :contains "epilogue""#, true),
    (#"body :content "multipart" :contains "Bold""#, false),
    (#"body :content "application/pdf" :is "PDF""#, true),
    (#"body :content "audio" :contains """#, false),
    (#"body :content "" :contains "PDF""#, true),
    (#"body :content ["/text", "text/", "a/b/c"] :contains """#, false),
  ])
  func `body (RFC 5173)`(_ test: String, _ holds: Bool) throws {
    #expect(try SieveFixture.holds(test, ["body"], message: Self.multipart) == holds)
  }

  @Test func `a message without a body has none that matches`() throws {
    for test in [":raw :contains \"\"", ":text :matches \"*\"", ":content \"\" :is \"\""] {
      #expect(try !SieveFixture.holds("body \(test)", ["body"], message: "Subject: a\n"))
    }
    #expect(try SieveFixture.holds("body :text :is \"\"", ["body"], message: "Subject: a\n\n"))
  }

  @Test(arguments: [
    (#"header :mime :type "content-type" "multipart""#, true),
    (#"header :mime :subtype "content-type" "pdf""#, false),
    (#"header :mime :anychild :subtype "content-type" "pdf""#, true),
    (#"header :mime :anychild :contenttype "content-type" "text/html""#, true),
    (#"header :mime :anychild :param "filename" "content-disposition" "été.pdf""#, true),
    (#"header :mime :anychild :param ["x", "name"] :contains "content-type" "report""#, true),
    (#"header :mime :anychild :type "content-disposition" "attachment""#, true),
    (#"header :mime :anychild "subject" "inner one""#, true),
    (#"header :mime "subject" "inner one""#, false),
    (#"exists :mime :anychild "content-disposition""#, true),
    (#"exists "content-disposition""#, false),
    (#"header :mime :anychild :subtype :count "eq" "content-type" "6""#, true),
  ])
  func `MIME fields (RFC 5703 §4)`(_ test: String, _ holds: Bool) throws {
    #expect(try SieveFixture.holds(test, ["mime", "relational"], message: Self.multipart) == holds)
  }

  private func run(_ script: String) throws -> ScriptOutcome {
    try SieveFixture(
      """
      require ["foreverypart", "mime", "extracttext", "variables", "fileinto", "replace", "enclose",
        "editheader", "copy"];
      \(script)
      """,
      message: Self.multipart
    ).outcome()
  }

  @Test func `a loop goes over every part, and break ends the loop it names`() throws {
    let all = try run(
      """
      foreverypart {
        if header :mime :contenttype :matches "content-type" "*" { fileinto "p ${1}"; }
      }
      """
    )
    #expect(
      all.mailboxes == [
        "p multipart/mixed", "p text/plain", "p text/html", "p message/rfc822", "p application/pdf",
      ]
    )
    let broken = try run(
      """
      foreverypart :name "outer" {
        foreverypart {
          if header :mime :subtype "content-type" "html" { break :name "outer"; }
          if header :mime :contenttype :matches "content-type" "*" { fileinto "p ${1}"; }
        }
        fileinto "never";
      }
      """
    )
    #expect(broken.mailboxes == ["p text/plain"])
    #expect(SieveFixture.errors("require \"foreverypart\"; break;").count == 1)
    #expect(
      SieveFixture.errors(
        "require \"foreverypart\"; foreverypart :name \"a\" { break :name \"b\"; }"
      )
      .count == 1
    )
  }

  @Test func `extracttext takes the text of a part (RFC 5703 §7)`() throws {
    let outcome = try run(
      """
      foreverypart {
        if header :mime :type "content-type" "text" {
          extracttext :first 5 :upper "t"; fileinto "t ${t}"; break;
        }
      }
      """
    )
    #expect(outcome.mailboxes == ["t GRüßE"])
    #expect(
      SieveFixture.errors(
        "require [\"extracttext\", \"foreverypart\", \"variables\"]; extracttext \"a\";"
      ).count == 1
    )
  }

  private func message(_ outcome: ScriptOutcome, _ mailbox: String) throws -> ParsedMessage {
    let found = outcome.actions.compactMap { action -> [UInt8]? in
      if case .fileInto(mailbox, let delivery) = action { delivery.message } else { nil }
    }
    return MessageParser.parse(try #require(found.first))
  }

  @Test func `replace puts text in the place of a part, at once (RFC 5703 §5)`() throws {
    let outcome = try run(
      """
      foreverypart {
        if header :mime :subtype "content-type" ["html", "rfc822"] { replace "gone"; }
      }
      foreverypart {
        if header :mime :contenttype :matches "content-type" "*" { fileinto :copy "p ${1}"; }
      }
      fileinto "A";
      """
    )
    #expect(
      outcome.mailboxes == ["p multipart/mixed", "p text/plain", "p application/pdf", "A"]
    )
    let changed = try message(outcome, "A")
    #expect(changed.parts.map(\.contentType.mediaType).filter { $0 == "text/plain" }.count == 3)
    #expect(changed.part(at: "2")?.decodedText().text == "gone")
    #expect(changed.part(at: "4")?.decodedContent().content == Array("PDF".utf8))
  }

  @Test func `a loop ends with the message that it goes over`() throws {
    let outcome = try run(
      """
      foreverypart {
        if header :mime :contenttype :matches "content-type" "*" { fileinto "p ${1}"; }
        replace "all of it";
      }
      """
    )
    #expect(outcome.mailboxes == ["p multipart/mixed"])
  }

  @Test func `replace of a whole message keeps its other fields`() throws {
    let outcome = try run(
      "replace :subject \"néw\" :from \"b@example.org\" \"text\"; fileinto \"A\";"
    )
    let changed = try message(outcome, "A")
    #expect(changed.header.text("Subject") == "néw")
    #expect(changed.header.text("Original-Subject") == "parts")
    #expect(changed.header.addresses("From")?.first?.email == "b@example.org")
    #expect(changed.header.text("Original-From") == "ann@example.com")
    #expect(changed.parts.count == 1)
    #expect(changed.parts.first?.decodedText().text == "text")
  }

  @Test func `enclose wraps the message, but not the one that is redirected (RFC 5703 §6)`() throws
  {
    let outcome = try run(
      "addheader \"X-A\" \"b\"; enclose :headers \"From\" \"look\"; fileinto \"A\"; "
        + "redirect \"a@example.org\";"
    )
    let changed = try message(outcome, "A")
    #expect(changed.header.text("Subject") == "parts")
    #expect(changed.header.text("From") == "ann@example.com")
    #expect(changed.part(at: "1")?.decodedText().text == "look")
    #expect(changed.part(at: "2")?.contentType.mediaType == "message/rfc822")
    #expect(changed.part(at: "2.4")?.contentType.mediaType == "application/pdf")
    guard case .redirect(let redirect) = outcome.actions.last else {
      Issue.record("no redirection")
      return
    }
    let sent = MessageParser.parse(try #require(redirect.message))
    #expect(sent.header.text("X-A") == "b")
    #expect(sent.parts.count == changed.parts.count - 3)
  }

  @Test func `fields are added at the top or at the end, and deleted (RFC 5293)`() throws {
    let outcome = try SieveFixture(
      """
      require ["editheader", "fileinto", "variables"];
      fileinto "before";
      addheader "X-A" "first é"; addheader :last "X-A" "last";
      if header "x-a" "first é" { fileinto "seen"; }
      deleteheader :index 1 "X-Twice";
      deleteheader :contains "Cc" "carol";
      deleteheader "X-Number" "41";
      keep;
      """
    ).outcome()
    #expect(outcome.error == nil)
    #expect(outcome.mailboxes == ["before", "seen"])
    guard case .fileInto(_, let before) = outcome.actions[0],
      case .keep(let after) = outcome.actions[2]
    else { return }
    #expect(before.message == nil)
    let header = MessageParser.parse(try #require(after.message)).header
    #expect(header.fields.first.map { header.text($0) } == "first é")
    #expect(header.fields.last.map { header.text($0) } == "last")
    #expect(header.all("X-Twice").map { header.text($0) } == ["second"])
    #expect(header.first("Cc") == nil)
    #expect(header.text("X-Number") == "42")
  }

  @Test func `what a trace needs is not deleted, and nothing is fooled by line breaks`() throws {
    let outcome = try SieveFixture(
      """
      require ["editheader", "fileinto"];
      deleteheader "Received"; deleteheader "Auto-Submitted";
      addheader "X-A" text:
      a
      X-B: injected
      .
      ;
      """,
      message: "Received: x\nAuto-Submitted: no\n\n"
    ).outcome()
    let header = MessageParser.parse(try #require(outcome.implicitKeep.message)).header
    #expect(header.fields.count == 3)
    #expect(header.text("X-A") == "a  X-B: injected")
    #expect(
      SieveFixture.errors("require \"editheader\"; addheader \"a b\" \"c\";").count == 1
    )
  }
}
