/// Messages whose values are close to those that random rules ask for.
package struct RandomMail {
  package static let words = [
    "hello", "World", "HELLO", "report", "list", "xy", "aa", "ab", "aab", "42", "042", "77",
    "project-1",
    "done", "Ann", "news", "(tag)", "re:", "50%", "b.c", "q-r", "under-score", "100",
  ]
  package static let locals = [
    "ann", "bob", "Ann", "user+tag", "user", "user+", "list+a+b", "x.y", "carol-1", "42",
  ]
  package static let domains = [
    "example.com", "example.org", "Example.COM", "mail.example.net", "b.example",
  ]
  package static let dates = [
    "Tue, 24 Nov 2026 10:11:12 +0200", "Wed, 01 Jan 2020 00:00:00 +0000",
    "Sat, 29 Feb 2020 23:59:59 -0500", "Mon, 31 Dec 2018 22:30:00 -0330",
    "Thu, 5 Mar 2015 07:08:09 +1345",
  ]

  private var random: SeededRandom
  private var lines: [String] = []

  /// A whole message in CRLF.
  package static func make(_ random: inout SeededRandom) -> String {
    var mail = RandomMail(random: random)
    let message = mail.message()
    random = mail.random
    return message
  }

  private init(random: SeededRandom) { self.random = random }

  private mutating func text() -> String {
    random.several(Self.words, upTo: 4).joined(separator: " ")
  }

  /// One of the addresses that the messages hold.
  package static func address(_ random: inout SeededRandom) -> String {
    "\(random.pick(locals))@\(random.pick(domains))"
  }

  private mutating func mailbox() -> String {
    let address = Self.address(&random)
    switch random.number(0...3) {
    case 0: return address
    case 1: return "<\(address)>"
    case 2: return "\(random.pick(["Ann Example", "Bob", "\"Last, First\""])) <\(address)>"
    default: return "\(address) (a comment)"
    }
  }

  private mutating func addField(_ name: String, _ value: String) {
    lines.append("\(name): \(value)")
  }

  private mutating func message() -> String {
    addField("From", mailbox())
    for name in ["To", "Cc", "Reply-To", "Sender"] where random.chance(name == "To" ? 90 : 40) {
      let count = random.number(1...3)
      addField(name, (0..<count).map { _ in mailbox() }.joined(separator: ", "))
    }
    if random.chance(95) { addField("Subject", subject()) }
    addField("Date", random.pick(Self.dates))
    addField("Message-ID", "<\(random.number(1...99))@example.com>")
    if random.chance(50) {
      addField("Received", "from a.example by b.example; \(random.pick(Self.dates))")
    }
    for _ in 0..<random.number(0...3) { addField("X-Twice", text()) }
    if random.chance(60) {
      addField("X-Number", random.pick(["11", "77", "42", "042", "100", "xy", ""]))
    }
    if random.chance(30) { addField("X-Empty", "") }
    if random.chance(30) { addField("X-Blank", "  \(text())  ") }
    if random.chance(30) { addField("x-FOLDED", "\(text())\r\n \(text())\r\n \(text())") }
    return body()
  }

  private mutating func subject() -> String {
    switch random.number(0...5) {
    case 0: "=?utf-8?q?hello_w=6Frld?="
    case 1: "=?utf-8?b?SGVsbG8gd29ybGQ=?= \(random.pick(Self.words))"
    default: text()
    }
  }

  private mutating func body() -> String {
    let header: String
    let content: String
    switch random.number(0...3) {
    case 0:
      addField("MIME-Version", "1.0")
      addField("Content-Type", "multipart/mixed; boundary=\"b1\"")
      header = lines.joined(separator: "\r\n")
      content = """
        --b1\r
        Content-Type: text/plain; charset=us-ascii\r
        \r
        \(text())\r
        --b1\r
        Content-Type: application/pdf; name="a.pdf"\r
        Content-Disposition: attachment; filename="report.pdf"\r
        \r
        \(text())\r
        --b1--\r

        """
    case 1:
      addField("MIME-Version", "1.0")
      addField("Content-Type", "text/plain; charset=utf-8")
      addField("Content-Transfer-Encoding", "quoted-printable")
      header = lines.joined(separator: "\r\n")
      content = "\(text()) =\r\n\(text()) =41=42\r\n"
    default:
      header = lines.joined(separator: "\r\n")
      content = "\(text())\r\n\(text())\r\n"
    }
    return "\(header)\r\n\r\n\(content)"
  }
}
