import MailProtocols
import Testing

@Suite("SMTP extensions (RFC 5321 §4.1.1.1)")
struct SMTPCapabilitiesTests {
  private func capabilities(_ lines: String...) -> SMTPCapabilities {
    SMTPCapabilities(reply: SMTPReply(code: 250, lines: ["mail.example.org hello"] + lines))
  }

  @Test func `keywords are read in any case, unknown ones kept`() {
    let offered = capabilities(
      "size 1000",
      "Pipelining",
      "XYZZY a b",
      "8bitmime",
      "SMTPUTF8",
      "DSN"
    )
    #expect(offered.serverName == "mail.example.org")
    #expect(offered.offers(.pipelining) && offered.offers(.eightBitMIME))
    #expect(offered.offers(.smtpUTF8) && offered.offers(.dsn))
    #expect(!offered.offers(.chunking))
    #expect(offered.extensions[SMTPExtension(rawValue: "xyzzy")] == ["a", "b"])
  }

  @Test(arguments: [
    ("SIZE 36700160", 36_700_160), ("SIZE", nil), ("SIZE 0", nil), ("SIZE -1", nil),
    ("SIZE 99999999999999999999999", nil), ("SIZE many", nil), ("DSN", nil),
  ])
  func `a size limit is what the server names`(_ line: String, _ limit: Int?) {
    #expect(capabilities(line).sizeLimit == limit)
  }

  @Test func `the old form of AUTH counts like the new`() {
    #expect(capabilities("AUTH=LOGIN PLAIN").authMechanisms == ["LOGIN", "PLAIN"])
    #expect(
      capabilities("AUTH plain XOAUTH2", "AUTH=PLAIN LOGIN").authMechanisms
        == ["PLAIN", "XOAUTH2", "LOGIN"]
    )
    #expect(capabilities("AUTH=").authMechanisms.isEmpty)
  }

  @Test func `empty lines and a bare greeting are no extensions`() {
    #expect(capabilities("", " ").extensions.isEmpty)
    #expect(SMTPCapabilities(reply: SMTPReply(code: 250, lines: [])).serverName.isEmpty)
  }
}
