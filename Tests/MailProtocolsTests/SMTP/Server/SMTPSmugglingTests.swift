import Bytes
import MailProtocols
import Testing

@Suite("The end of a message (RFC 5321 §4.5.2), and smuggling past it") struct SMTPSmugglingTests {
  private static let smuggled =
    "MAIL FROM:<evil@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nevil\r\n.\r\n"

  @Test(arguments: [
    "\n.\n", "\r.\r", "\r\n.\n", "\r\n.\r", "\n.\r\n", "\r.\r\n", "\n.\r", "\r.\n", "\r\n\n.\r\n",
    "\r\n\r.\r\n", "\r\n.\r\r\n", "\n\n.\n\n",
  ])
  func `a dot alone beside a bare CR or LF ends the session, and nothing behind it is done`(
    end: String
  ) {
    for piece in [nil, 1, 3] {
      var talk = SMTPServerConversation()
      talk.piece = piece
      talk.begin("c@d.example")
      let lines = talk.say("DATA\r\nSubject: x\r\n\r\ntext" + end + Self.smuggled)
      #expect(lines.last?.hasPrefix("521 5.5.2 ") == true)
      #expect(lines.count == 2)
      #expect(talk.session.isClosed)
      #expect(talk.messages.isEmpty)
    }
  }

  @Test(arguments: ["a\nb", "a\rb", "a\n", "\na", "a\r\r\n", "a\n\r\n", "a\n..\nb"])
  func `a bare CR or LF elsewhere has the message refused at its true end`(text: String) {
    for piece in [nil, 1] {
      var talk = SMTPServerConversation()
      talk.piece = piece
      talk.begin("c@d.example")
      let lines = talk.say("DATA\r\n" + text + "\r\n.\r\n")
      #expect(lines.last?.hasPrefix("550 5.6.11 ") == true)
      #expect(talk.messages.isEmpty)
      #expect(talk.code("NOOP") == "250", "the session goes on")
    }
  }

  @Test func `a command that ends with a bare LF is refused`() {
    var talk = SMTPServerConversation()
    #expect(talk.say("EHLO c.example\n").last?.prefix(9) == "500 5.5.2")
    #expect(talk.say("EHLO c\rMAIL FROM:<a@b>\r\n").last?.prefix(9) == "500 5.5.2")
  }

  @Test func `a line that is too long is refused`() {
    var limits = SMTPServerLimits()
    limits.textLineBytes = 100
    var talk = SMTPServerConversation(limits: limits)
    talk.begin("c@d.example")
    let line = String(repeating: "x", count: 101)
    #expect(talk.say("DATA\r\n\(line)\r\n.\r\n").last?.prefix(9) == "550 5.6.0")
  }
}
