import Testing

@testable import MailProtocols

@Suite("POP3 replies and response codes (RFC 2449 §8, RFC 3206)")
struct POP3ReplyTests {
  private func reply(_ line: String) -> POP3Reply? { POP3Reply(line: Array(line.utf8).span) }

  @Test(arguments: [
    ("+OK", true, ""), ("-ERR", false, ""), ("+OK 2 320", true, "2 320"),
    ("-ERR  no such message ", false, "no such message"), ("+ok hi", true, "hi"),
    ("-Err hi", false, "hi"), ("+OKhi", true, "hi"), ("+OK [SYS/TEMP] x", true, "x"),
    ("-ERR []x", false, "[]x"), ("-ERR [two words] x", false, "[two words] x"),
  ])
  func `a reply has a status and a text`(_ line: String, _ isPositive: Bool, _ text: String) {
    #expect(reply(line)?.isPositive == isPositive)
    #expect(reply(line)?.text == text)
  }

  @Test(arguments: ["", "+", "OK", "+ OK", "ERR", "* OK", "220 hi", "."])
  func `a line without a status is no reply`(_ line: String) {
    #expect(reply(line) == nil)
  }

  @Test(arguments: [
    ("[IN-USE] another session", POP3Refusal.inUse), ("[in-use/pid] x", .inUse),
    ("[LOGIN-DELAY] wait", .loginDelay), ("[SYS/TEMP] x", .temporary),
    ("[SYS/PERM] x", .permanent), ("[SYS/PERM/DISK] x", .permanent), ("[SYS] x", .temporary),
    ("[SYS/OTHER] x", .temporary), ("[AUTH] x", .credentials), ("[UTF8] x", .needsUTF8),
    ("[X-NEW] x", .unknown), ("[X-NEW] maildrop already locked", .inUse),
    ("maildrop already locked", .inUse), ("unable to lock maildrop", .inUse),
    ("Exceeded the login limit for a 15 minute period.", .loginDelay),
    ("Temporary problem, please try again later", .temporary), ("", .unknown),
    ("invalid password", .unknown), ("[AUTH] temporary", .credentials),
  ])
  func `a refusal says what helps`(_ text: String, _ refusal: POP3Refusal) {
    #expect(POP3Reply.err(text).refusal == refusal)
  }

  @Test func `only what passes by itself is worth another try`() {
    let all: [POP3Refusal] = [
      .credentials, .inUse, .loginDelay, .temporary, .permanent, .needsUTF8, .unknown,
    ]
    #expect(all.filter(\.isWorthRetrying) == [.inUse, .loginDelay, .temporary])
  }

  @Test func `a secret that a server repeats is struck out`() {
    let reply = POP3Reply.err("PASS hunter2: hunter2x is wrong")
    #expect(
      "\(reply.redacting([Array("hunter2".utf8)]))"
        == "-ERR PASS [redacted]: [redacted]x is wrong"
    )
  }

  @Test(
    arguments: [
      ("+OK <1896.697170952@dbc.mtview.ca.us>", "<1896.697170952@dbc.mtview.ca.us>"),
      ("+OK a < b <1@c> ready", "<1@c>"), ("+OK <not an id> <1@c>", "<1@c>"),
      ("+OK <a@b@c>", nil), ("+OK <@c>", nil), ("+OK <1@>", nil), ("+OK <1@c", nil), ("+OK", nil),
      ("+OK <1\u{1}@c>", nil), ("+OK <\u{E9}@c>", nil),
    ] as [(String, String?)]
  )
  func `APOP is offered by a message id and nothing else`(_ line: String, _ timestamp: String?)
    throws
  {
    let reply = try #require(self.reply(line))
    #expect(POP3Timestamp(greeting: reply)?.bytes == timestamp.map { Array($0.utf8) })
  }
}

@Suite("POP3 capabilities (RFC 2449 §6)") struct POP3CapabilityTests {
  @Test func `parameters are typed`() {
    let capabilities = POP3Capabilities(lines: [
      "TOP", "sasl plain SCRAM-SHA-256", "EXPIRE 60 USER", "LOGIN-DELAY 900", "UTF8 USER",
      "SASL CRAM-MD5", "IMPLEMENTATION Shlemazle-Plotz-v302",
    ])
    #expect(capabilities.offers(.top) && !capabilities.offers(.uniqueIDs))
    #expect(capabilities.mechanisms == ["PLAIN", "SCRAM-SHA-256", "CRAM-MD5"])
    #expect(capabilities.expiry == .days(60))
    #expect(capabilities.loginDelay == .seconds(900))
    #expect(capabilities.takesUTF8Credentials)
    #expect(capabilities.all[.implementation] == ["Shlemazle-Plotz-v302"])
  }

  @Test(
    arguments: [
      ("EXPIRE 0", POP3Expiry.atOnce), ("EXPIRE NEVER", .never), ("expire never", .never),
      ("EXPIRE 31 USER", .days(31)), ("EXPIRE", nil), ("EXPIRE soon", nil), ("EXPIRE -1", nil),
      ("TOP", nil),
    ] as [(String, POP3Expiry?)]
  )
  func `EXPIRE says how long mail stays`(_ line: String, _ expiry: POP3Expiry?) {
    #expect(POP3Capabilities(lines: [line]).expiry == expiry)
  }

  @Test(arguments: ["LOGIN-DELAY", "LOGIN-DELAY x", "LOGIN-DELAY -5", "LOGIN-DELAY 99999999999"])
  func `a delay that is no number is none`(_ line: String) {
    #expect(POP3Capabilities(lines: [line]).loginDelay == nil)
  }
}
