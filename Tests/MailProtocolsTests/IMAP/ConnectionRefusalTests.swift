import MailProtocols
import Testing

@Suite("IMAP refusals of a connection (RFC 5530 §3)")
struct ConnectionRefusalTests {
  private static let answers: [(String, ConnectionRefusal?)] = [
    ("NO [LIMIT] Maximum number of connections from user+IP exceeded", .tooMany),
    ("NO [INUSE] Mailbox in use", .tooMany), ("NO [UNAVAILABLE] User lookup failed", .later),
    ("NO [OVERQUOTA] Account exceeded command or bandwidth limits.", .later),
    ("NO [ALERT] Too many simultaneous connections. (Failure)", .tooMany),
    ("BYE Too many connections.", .tooMany),
    ("BYE Maximum connection limit reached for ::ffff:192.0.2.1", .tooMany),
    ("NO Temporary authentication failure.", .later), ("NO LOGIN Rate limit hit.", .later),
    ("NO [AUTHENTICATIONFAILED] Too many connections with a wrong password", nil),
    ("NO [CONTACTADMIN] Session limit", nil), ("NO Invalid credentials", nil),
    ("NO Too many login failures", nil), ("BYE Going down", nil), ("NO", nil),
  ]

  @Test(arguments: answers)
  func `what an answer says of connections`(_ answer: String, _ refusal: ConnectionRefusal?) throws
  {
    var session = IMAPSession()
    session.receive(Array("* OK ready\r\n".utf8))
    _ = try session.next()
    session.receive(Array("* \(answer)\r\n".utf8))
    guard case .untagged(.condition(let status))? = try session.next() else {
      Issue.record("no status response")
      return
    }
    #expect(status.connectionRefusal == refusal)
  }
}
