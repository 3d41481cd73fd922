import Bytes
import MIME
import Testing

@Suite("Text in header fields (RFC 2047, RFC 2231)")
struct HeaderTextTests {
  private func subjectLine(_ subject: String) throws -> String {
    var builder = MessageBuilder.sample
    builder.subject = subject
    let fields = lines(try builder.bytes()).map { String(decoding: $0, as: UTF8.self) }
    return try #require(fields.first { $0.hasPrefix("Subject:") })
  }

  @Test(arguments: [
    ("plain words", "Subject: plain words"),
    ("Re: Gr\u{FC}\u{DF}e an alle", "Subject: Re: =?utf-8?B?R3LDvMOfZQ==?= an alle"),
    ("\u{65E5}\u{672C}\u{8A9E}", "Subject: =?utf-8?B?5pel5pys6Kqe?="),
    ("a =?b", "Subject: a =?utf-8?B?PT9i?="),
    (
      "ein sch\u{F6}nes altes gr\u{FC}nes Haus",
      "Subject: ein =?utf-8?Q?sch=C3=B6nes_altes_gr=C3=BCnes?= Haus"
    ),
    ("a  b", "Subject: a =?utf-8?Q?_b?="),
    (" a", "Subject: =?utf-8?Q?_a?="),
    ("a ", "Subject: =?utf-8?Q?a_?="),
    ("", "Subject:"),
    ("bell\u{7}", "Subject: =?utf-8?Q?bell=07?="),
    ("\u{E9} a \u{E9}", "Subject: =?utf-8?B?w6kgYSDDqQ==?="),
  ])
  func `words that can stand do, the rest is encoded by the shorter way`(
    _ subject: String,
    _ line: String
  ) throws {
    #expect(try subjectLine(subject) == line)
  }

  static let texts = [
    "plain", "Gr\u{FC}\u{DF}e", " leading", "trailing ", "  ", "a  b   c",
    "=?utf-8?Q?not?=", "a=?b?=c", "x =? y", "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467} family",
    "e\u{301}", String(repeating: "\u{1F600}", count: 50),
    String(repeating: "word ", count: 60) + "end",
    String(repeating: "w\u{F6}rd ", count: 60) + "end",
    String(repeating: "x", count: 2000), "a\u{301}" + String(repeating: "\u{301}", count: 200),
    "mixed \u{E4} plain plain plain plain plain plain plain plain plain plain plain \u{F6} end",
    "\"quoted\" (comment) <a@x>, ;:", "_under_score_ ?", "\u{65E5} a",
    "\u{A0}nbsp\u{A0}",
  ]

  @Test(arguments: texts)
  func `a subject comes back as it was`(_ text: String) throws {
    var builder = MessageBuilder.sample
    builder.subject = text
    let bytes = try builder.bytes()
    let header = MessageParser.parse(bytes).header
    #expect(header.text("Subject") == text)
    #expect(lines(bytes).allSatisfy { $0.count <= 78 || !$0.contains(0x3D) })
  }

  @Test(arguments: texts)
  func `a display name comes back as it was`(_ text: String) throws {
    var builder = MessageBuilder.sample
    builder.to = [Address(name: text, email: "a@x"), Address(name: text, email: "b@x")]
    let found = try builder.parsed().header.addresses("To")
    #expect(found?.map(\.email) == ["a@x", "b@x"])
    // White space around a name is not part of it to a reader.
    let name = text.trimmingPrefix { $0 == " " }.reversed().trimmingPrefix { $0 == " " }.reversed()
    #expect(found?.map { $0.name ?? "" } == [String(name), String(name)])
  }

  @Test(arguments: ["a\tb", "\ta", "a\t", "\u{1}\u{7F}", "bom\u{FEFF}", "\u{200B}"])
  func `characters that readers drop do no harm`(_ text: String) throws {
    var builder = MessageBuilder.sample
    builder.subject = text
    builder.from[0].name = text
    builder.attachments = [
      .init(name: text, contentType: ContentType("image", "png"), content: [1])
    ]
    let bytes = try builder.bytes()
    #expect(bytes.allSatisfy { ($0 >= 0x20 && $0 < 0x7F) || $0 == 0x0D || $0 == 0x0A })
    #expect(
      MessageParser.parse(bytes).header.addresses("From")?.first?.email == "ann@client.example"
    )
  }

  @Test(arguments: texts)
  func `a file name comes back as it was`(_ text: String) throws {
    var builder = MessageBuilder.sample
    builder.attachments = [
      .init(name: text, contentType: ContentType("image", "png"), content: [1])
    ]
    #expect(try builder.parsed().parts.last?.disposition?.filename == text)
  }

  @Test func `no encoded word splits a character or exceeds 75 columns`() throws {
    let text = String(repeating: "\u{1F468}\u{1F3FD}a\u{65E5}", count: 40)
    var builder = MessageBuilder.sample
    builder.subject = text
    builder.from[0].name = text
    let words = try builder.string().split { $0.isWhitespace }.filter { $0.hasPrefix("=?") }
    #expect(words.count > 10)
    for word in words {
      #expect(word.utf8.count <= 75)
      let payload = Array(word.utf8.dropFirst(10).dropLast(2))
      let decoded = Base64.standard.decode(payload.span)
      #expect(decoded.flatMap { String(validating: $0, as: UTF8.self) } != nil)
    }
  }

  @Test(arguments: [
    ("report.pdf", "filename=report.pdf"), ("my report.pdf", "filename=\"my report.pdf\""),
    ("a\"b\\c", #"filename="a\"b\\c""#), ("\u{20AC}.txt", "filename*=utf-8''%E2%82%AC.txt"),
    ("", "filename=\"\""),
  ])
  func `a file name is plain where it is ASCII`(_ name: String, _ parameter: String) throws {
    var builder = MessageBuilder.sample
    builder.attachments = [
      .init(name: name, contentType: ContentType("image", "png"), content: [1])
    ]
    #expect(try builder.string().contains("Content-Disposition: attachment; \(parameter)\r\n"))
  }

  @Test func `an address list can be written by itself`() throws {
    let list = [Address(name: "B\u{F6}b", email: "b@x"), Address(email: "c@x")]
    #expect(try formatAddressList(list) == "=?utf-8?Q?B=C3=B6b?= <b@x>, c@x")
    #expect(try formatAddressList([]) == "")
  }
}

@Suite("Dates as RFC 5322 writes them (§3.3)")
struct DateFormatTests {
  @Test(arguments: [
    (MIMEDate(seconds: 0), "Thu, 1 Jan 1970 00:00:00 +0000"),
    (MIMEDate(seconds: 1_795_341_600, offset: 60), "Sun, 22 Nov 2026 11:00:00 +0100"),
    (MIMEDate(seconds: 951_782_400, offset: -330), "Mon, 28 Feb 2000 18:30:00 -0530"),
    (MIMEDate(seconds: 951_827_696), "Tue, 29 Feb 2000 12:34:56 +0000"),
    (MIMEDate(seconds: -1), "Wed, 31 Dec 1969 23:59:59 +0000"),
    (MIMEDate(seconds: 4_102_444_799, offset: 840), "Fri, 1 Jan 2100 13:59:59 +1400"),
  ])
  func `a date is written with its zone`(_ date: MIMEDate, _ text: String) {
    #expect(date.formatted == text)
    #expect(MIMEDate.parse(Array(text.utf8).span) == date)
  }

  @Test(arguments: [Int64.min, .max, -62_135_596_801, 253_402_300_800])
  func `a date beyond the calendar does not trap`(_ seconds: Int64) {
    #expect(!MIMEDate(seconds: seconds, offset: .max).formatted.isEmpty)
    #expect(!MIMEDate(seconds: seconds, offset: .min + 1).formatted.isEmpty)
  }

  @Test func `every day of four centuries comes back`() {
    for day in stride(from: Int64(-40_000), to: 110_000, by: 13) {
      let date = MIMEDate(seconds: day * 86_400 + 3_661, offset: 0)
      #expect(MIMEDate.parse(Array(date.formatted.utf8).span) == date)
    }
  }
}
