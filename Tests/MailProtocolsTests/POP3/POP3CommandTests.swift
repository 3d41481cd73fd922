import Testing

@testable import MailProtocols

@Suite("POP3 commands (RFC 1939, RFC 5034, RFC 6856)") struct POP3CommandTests {
  private func wire(_ command: POP3Command) -> String {
    String(decoding: command.bytes, as: UTF8.self)
  }

  @Test func `commands are written as the RFCs have them`() throws {
    let number = POP3MessageNumber(7)
    let commands: [(POP3Command, String)] = [
      (.capabilities, "CAPA"), (.startTLS, "STLS"), (.status, "STAT"), (.list, "LIST"),
      (.list(number), "LIST 7"), (.uniqueIDs, "UIDL"), (.uniqueID(number), "UIDL 7"),
      (.retrieve(number), "RETR 7"), (.top(number, lines: 10), "TOP 7 10"),
      (.top(number, lines: -1), "TOP 7 0"), (.delete(number), "DELE 7"), (.noop, "NOOP"),
      (.reset, "RSET"), (.quit, "QUIT"), (.utf8, "UTF8"), (.languages, "LANG"),
      (try .language("en-boont"), "LANG en-boont"), (try .language("*"), "LANG *"),
      (try .user("mrose"), "USER mrose"), (try .password("a secret"), "PASS a secret"),
      (try .password("gehe\u{EF}m"), "PASS gehe\u{EF}m"),
      (try .remoteUser("mrose"), "RPOP mrose"),
    ]
    for (command, line) in commands { #expect(wire(command) == line + "\r\n") }
  }

  @Test func `APOP digests the timestamp and the secret, as RFC 1939's example does`() throws {
    let session = try POP3Wire.session(loggedIn: false)
    let timestamp = try #require(session.timestamp)
    let command = try POP3Command.apop("mrose", password: "tanstaaf", timestamp: timestamp)
    #expect(wire(command) == "APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n")
  }

  @Test func `nothing that could end a line, or a command early, is sent`() throws {
    let timestamp = try #require(POP3Timestamp(greeting: .ok("<1@x>")))
    for bad in ["", "a\r\nDELE 1", "a\nb", "a\u{0}b", "a\u{7F}"] {
      #expect(throws: POP3InputError.username) { try POP3Command.user(bad) }
      #expect(throws: POP3InputError.username) { try POP3Command.remoteUser(bad) }
      #expect(throws: POP3InputError.password) { try POP3Command.password(bad) }
      #expect(throws: POP3InputError.username) {
        try POP3Command.apop(bad, password: "x", timestamp: timestamp)
      }
      #expect(throws: POP3InputError.language) { try POP3Command.language(bad) }
    }
    #expect(throws: POP3InputError.username) {
      try POP3Command.apop("two words", password: "x", timestamp: timestamp)
    }
    #expect(throws: POP3InputError.password) {
      try POP3Command.apop("a", password: "", timestamp: timestamp)
    }
    let long = String(repeating: "x", count: 249)
    #expect(throws: POP3InputError.tooLong) { try POP3Command.password(long) }
    #expect(throws: Never.self) { try POP3Command.password(String(long.dropLast())) }
  }

  @Test func `an initial response goes with AUTH where it fits into 255 bytes`() {
    func auth(_ response: [UInt8]?) -> (String, Bool) {
      let (command, isSent) = POP3Command.authenticate(
        .plain,
        initialResponse: response,
        secrets: []
      )
      return (wire(command), isSent)
    }
    #expect(auth(Array("\u{0}test\u{0}test".utf8)) == ("AUTH PLAIN AHRlc3QAdGVzdA==\r\n", true))
    #expect(auth([]) == ("AUTH PLAIN =\r\n", true))
    #expect(auth(nil) == ("AUTH PLAIN\r\n", false))
    #expect(auth([UInt8](repeating: 1, count: 180)).1)
    #expect(auth([UInt8](repeating: 1, count: 183)) == ("AUTH PLAIN\r\n", false))
  }

  @Test func `no description shows a secret`() throws {
    var text = ""
    dump(try POP3Command.password("hunter2"), to: &text)
    text += "\(try POP3Command.password("hunter2"))"
    #expect(text.contains("PASS") && !text.contains("hunter2"))
  }
}
