import Archives
import Testing

@Suite("mbox") struct MboxTests {
  private func messages(_ text: String, _ format: ArchiveFormat = .mbox) -> [ArchivedMessage] {
    read(Array(text.utf8), format).messages
  }

  @Test func `messages are parted by From lines, and the empty line before one is not theirs`() {
    let found = messages(
      """
      From ada@example.org Thu Nov 26 02:47:02 2026
      Subject: one

      first

      From bob@example.org  Fri Nov 27 02:47:02 2026
      Subject: two

      second

      third

      """
    )
    #expect(
      found.map(\.text) == [
        "Subject: one\n\nfirst\n", "Subject: two\n\nsecond\n\nthird\n",
      ]
    )
    #expect(found.map(\.receivedAt) == [1_795_661_222, 1_795_747_622])
    #expect(found.map(\.offset) == [0, 67])
  }

  @Test(arguments: [
    "From ada@example.org Thu Nov 26 02:47:02 2026", "From - Thu Nov 26 02:47:02 2026", "From ",
    "From -", "From ada Thu Nov 26 02:47 2026", "From ada@x Thu Nov 26 02:47:02 PST 2026",
    "From \"ada lovelace\"@example.org Thu Nov 26 02:47:02 2026",
    "From ada@example.org Thu Nov 26 02:47:02 2026 remote from example",
    "From ada@example.org Thu Nov 26 02:47:02 2026 +0100",
    "From ???@??? Thu Nov 26 02:47:02 2026", "From ada@example.org Thu, 26 Nov 2026 02:47:02 +0000",
  ])
  func `separators as programs write them`(_ line: String) {
    let found = messages("\(line)\nSubject: a\n\nx\n\n\(line)\nSubject: b\n\ny\n")
    #expect(found.map(\.text) == ["Subject: a\n\nx\n", "Subject: b\n\ny\n"])
  }

  @Test func `a sentence that begins with From is text, and reported where it might not be`() {
    let text = """
      From ada@example.org Thu Nov 26 02:47:02 2026
      Subject: one

      To begin:

      From the beginning it was so,
      From here to there.

      """
    let found = read(Array(text.utf8), .mbox)
    #expect(found.messages.count == 1)
    #expect(found.messages.first?.text.hasSuffix("From here to there.\n") == true)
    #expect(found.defects == [ArchiveDefect(.bareFromLine, at: 71)])
  }

  @Test func `a separator without an empty line before it is one where a field follows`() {
    let found = messages(
      """
      From a@b Thu Nov 26 02:47:02 2026
      Subject: one

      first
      From a@b Thu Nov 26 02:47:02 2026
      Subject: two

      he wrote
      From a@b Thu Nov 26 02:47:02 2026
      and no more

      """
    )
    #expect(found.count == 2)
    #expect(found.last?.text.hasSuffix("and no more\n") == true)
  }

  @Test func `quoted From lines lose one mark, in mboxo only the first`() {
    let text = "From a@b Thu Nov 26 02:47:02 2026\nSubject: q\n\n>From x\n>>From y\n> From z\n"
    #expect(messages(text).map(\.text) == ["Subject: q\n\nFrom x\n>From y\n> From z\n"])
    #expect(messages(text, .mboxo).map(\.text) == ["Subject: q\n\nFrom x\n>>From y\n> From z\n"])
  }

  @Test func `Content-Length is believed where a message ends there`() {
    let body = "x\n\nFrom a@b Thu Nov 26 02:47:02 2026\nSubject: inner\n\n>From y\n"
    let text = """
      From a@b Thu Nov 26 02:47:02 2026
      Subject: outer
      Content-Length: \(body.utf8.count)

      \(body)
      From a@b Thu Nov 26 02:47:02 2026
      Subject: next

      z

      """
    #expect(messages(text).map(\.text) == ["Subject: outer\n\n\(body)", "Subject: next\n\nz\n"])
  }

  @Test func `a Content-Length that lies is left aside`() {
    for length in ["3", "17", "100000", "-1", "99999999999999999999", "x"] {
      let text = """
        From a@b Thu Nov 26 02:47:02 2026
        Content-Length: \(length)
        Subject: one

        first

        From a@b Thu Nov 26 02:47:02 2026
        Subject: two

        second

        """
      #expect(
        messages(text).map(\.text) == ["Subject: one\n\nfirst\n", "Subject: two\n\nsecond\n"],
        "\(length)"
      )
    }
  }

  @Test(arguments: [
    ("Status: RO\nX-Status: AF\n", ["$answered", "$flagged", "$seen"]),
    ("Status: O\nX-Status: T\nX-Keywords: Work  $Junk\nX-UID: 7\n", ["$draft", "$junk", "work"]),
    (
      "X-Mozilla-Status: 1005\nX-Mozilla-Status2: 00800000\nX-Mozilla-Keys: $label1 NonJunk   \n",
      ["$flagged", "$forwarded", "$label1", "$seen", "nonjunk"]
    ),
    ("X-IMAPbase: 1700000000 12 Work\nStatus: R\n", ["$seen"]), ("", []),
  ])
  func `status fields become keywords and leave the message`(
    _ fields: String,
    _ keywords: [String]
  ) {
    let found = messages("From a@b Thu Nov 26 02:47:02 2026\n\(fields)Subject: s\n\nx\n")
    #expect(found.map(\.keywords) == [keywords])
    #expect(found.map(\.text) == ["Subject: s\n\nx\n"])
  }

  @Test func `a Status of somebody else's stays`() {
    let found = messages("From a@b Thu Nov 26 02:47:02 2026\nStatus: resolved\nSubject: s\n\nx\n")
    #expect(found.map(\.text) == ["Status: resolved\nSubject: s\n\nx\n"])
  }

  @Test func `Takeout's labels say what was seen, and stay`() {
    let found = messages(
      """
      From a@b Thu Nov 26 02:47:02 2026
      X-Gmail-Labels: Inbox,Unread

      x

      From a@b Thu Nov 26 02:47:02 2026
      X-Gmail-Labels: Archived,Starred

      x

      """
    )
    #expect(found.map(\.keywords) == [[], ["$flagged", "$seen"]])
    #expect(found[0].text.hasPrefix("X-Gmail-Labels"))
  }

  @Test func `what is deleted says so, and the file's own notes are no message`() {
    let found = messages(
      """
      From MAILER-DAEMON Thu Nov 26 02:47:02 2026
      Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA
      X-IMAP: 1700000000 12

      This text is part of the internal format of your mail folder.

      From a@b Thu Nov 26 02:47:02 2026
      X-Mozilla-Status: 0009
      Subject: gone

      x

      """
    )
    #expect(found.map(\.text) == ["Subject: gone\n\nx\n"])
    #expect(found.map(\.isDeleted) == [true])
  }

  @Test func `line ends of CRLF are read as well`() {
    let text = "From a@b Thu Nov 26 02:47:02 2026\r\nStatus: RO\r\nSubject: s\r\n\r\nx\r\n\r\n"
    let found = messages(text + text)
    #expect(found.map(\.text) == ["Subject: s\r\n\r\nx\r\n", "Subject: s\r\n\r\nx\r\n"])
    #expect(found.map(\.keywords) == [["$seen"], ["$seen"]])
  }

  @Test func `what stands before the first message is reported`() {
    let found = read(Array("\n\nhello\nFrom a@b Thu Nov 26 02:47:02 2026\nA: b\n\nx\n".utf8), .mbox)
    #expect(found.messages.map(\.text) == ["A: b\n\nx\n"])
    #expect(found.defects.map(\.kind) == [.noMessage])
    #expect(read([], .mbox).defects == [])
    #expect(
      read(Array("Subject: no mbox\n\nhello\n".utf8), .mbox).defects.map(\.kind) == [.noMessage]
    )
  }

  @Test func `a date in the message stands in for one that the separator lacks`() {
    let found = messages("From \nDate: Thu, 26 Nov 2026 02:47:02 +0000\n\nx\n")
    #expect(found.map(\.receivedAt) == [1_795_661_222])
  }
}
