import Bytes
import Testing

@testable import MailProtocols

@Suite("SASL (RFC 4422)") struct SASLExchangeTests {
  private static let password = SASLCredentials.password(username: "user", password: "pencil")
  private static let token = SASLCredentials.token(username: "a=b,c@x.invalid", token: "vF9dft4qmT")
  private static let service = SASLService("imap", host: "mail.invalid", port: 143)

  private func exchange(
    _ mechanism: SASLMechanism,
    _ credentials: SASLCredentials = password,
    limits: SASLLimits = SASLLimits()
  ) throws(SASLError) -> SASLExchange {
    try SASLExchange(mechanism, credentials, service: Self.service, limits: limits)
  }

  @Test func `PLAIN is one message`() throws {
    var exchange = try exchange(.plain)
    #expect(text(try exchange.respond(to: nil)) == "\0user\0pencil")
    #expect(exchange.isComplete && exchange.hasSentProof)
    #expect(throws: SASLError.unexpectedChallenge) { try exchange.respond(to: []) }
  }

  @Test func `CRAM-MD5 signs the challenge as RFC 2195 shows it`() throws {
    let credentials = SASLCredentials.password(username: "tim", password: "tanstaaftanstaaf")
    var exchange = try exchange(.cramMD5, credentials)
    let challenge = "<1896.697170952@postoffice.reston.mci.net>"
    #expect(
      text(try exchange.respond(to: Array(challenge.utf8)))
        == "tim b913a602c7eda7a495b4e6e7334d3890"
    )
    #expect(exchange.isComplete)
  }

  @Test func `OAUTHBEARER escapes the name, and answers an error as RFC 7628 wants`() throws {
    var exchange = try exchange(.oauthBearer, Self.token)
    #expect(
      text(try exchange.respond(to: nil))
        == "n,a=a=3Db=2Cc@x.invalid,\u{1}host=mail.invalid\u{1}port=143\u{1}"
        + "auth=Bearer vF9dft4qmT\u{1}\u{1}"
    )
    let report = #"{"status":"invalid_token","scope":"example_scope"}"#
    #expect(try exchange.respond(to: Array(report.utf8)) == [0x01])
    #expect(exchange.errorStatus == "invalid_token")
    #expect(throws: SASLError.unexpectedChallenge) { try exchange.respond(to: []) }
  }

  @Test func `XOAUTH2 answers an error by nothing`() throws {
    var exchange = try exchange(
      .xoauth2,
      .token(username: "someuser@example.com", token: "ya29.vF")
    )
    #expect(
      text(try exchange.respond(to: nil))
        == "user=someuser@example.com\u{1}auth=Bearer ya29.vF\u{1}\u{1}"
    )
    #expect(try exchange.respond(to: Array("no JSON".utf8)).isEmpty)
    #expect(exchange.errorStatus == nil)
  }

  @Test(arguments: [SASLMechanism.scramSHA1, .scramSHA256])
  func `SCRAM starts with the name and without channel binding`(mechanism: SASLMechanism) throws {
    var exchange = try exchange(mechanism)
    #expect(text(try exchange.respond(to: nil)).hasPrefix("n,,n=user,r="))
    #expect(!exchange.isComplete && !exchange.hasSentProof)
  }

  /// The nonce that the exchange made up.
  private func nonce(_ first: [UInt8]) throws -> String {
    try #require(
      text(first).split(separator: ",").last { $0.hasPrefix("r=") }.map { "\($0.dropFirst(2))" }
    )
  }

  @Test func `SCRAM does not believe a server without proof`() throws {
    var exchange = try exchange(.scramSHA256)
    let nonce = try nonce(exchange.respond(to: nil))
    let first = "r=\(nonce)more,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    #expect(text(try exchange.respond(to: Array(first.utf8))).contains(",p="))
    #expect(exchange.hasSentProof && !exchange.isComplete)
    let proof = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    #expect(throws: SASLError.self) { try exchange.respond(to: Array(proof.utf8)) }
    #expect(!exchange.isComplete)
  }

  @Test(arguments: ["4096000000", "99999999999999999999", "-1", "x"])
  func `SCRAM refuses an unreasonable number of iterations`(count: String) throws {
    var exchange = try exchange(.scramSHA256)
    let nonce = try nonce(exchange.respond(to: nil))
    let first = "r=\(nonce)more,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=\(count)"
    #expect(throws: SASLError.self) { try exchange.respond(to: Array(first.utf8)) }
    #expect(!exchange.hasSentProof)
  }

  @Test(arguments: [
    "", "x", "r=", "r=other,s=AA==,i=4096", "m=ext,r=a,s=AA==,i=1", "e=other-error",
  ])
  func `SCRAM refuses what is no answer to its nonce`(first: String) throws {
    var exchange = try exchange(.scramSHA1)
    _ = try exchange.respond(to: nil)
    #expect(throws: SASLError.self) { try exchange.respond(to: Array(first.utf8)) }
  }

  @Test func `endless challenges are refused`() throws {
    var limits = SASLLimits()
    limits.challenge = 100
    var exchange = try exchange(.cramMD5, limits: limits)
    let great = [UInt8](repeating: 0x61, count: 101)
    #expect(throws: SASLError.self) { try exchange.respond(to: great) }
  }

  @Test func `what cannot be sent is refused before anything is`() {
    let nul = SASLCredentials.password(username: "a", password: "b\0c")
    for mechanism in [SASLMechanism.plain, .scramSHA1, .cramMD5] {
      #expect(throws: SASLError.self) { try exchange(mechanism, nul) }
    }
    let injected = SASLCredentials.token(username: "a", token: "b\u{1}auth=Bearer c")
    #expect(throws: SASLError.self) { try exchange(.xoauth2, injected) }
    #expect(throws: SASLError.self) { try exchange(.oauthBearer, injected) }
    #expect(throws: SASLError.self) { try exchange(.plain, Self.token) }
  }

  @Test func `the quickest mechanism comes first under TLS, and the strongest without`() {
    func candidates(_ credentials: SASLCredentials, isSecure: Bool) -> [SASLMechanism] {
      SASLMechanism.candidates(for: credentials, isSecure: isSecure) { _ in true }
    }
    #expect(
      candidates(Self.password, isSecure: true) == [.plain, .scramSHA256, .scramSHA1, .cramMD5]
    )
    #expect(
      candidates(Self.password, isSecure: false) == [.scramSHA256, .scramSHA1, .cramMD5]
    )
    // Where all reveal it the caller chose so.
    #expect(
      SASLMechanism.candidates(for: Self.password, isSecure: false) { $0 == .plain } == [.plain]
    )
    #expect(candidates(Self.token, isSecure: false) == [.oauthBearer, .xoauth2])
    #expect(candidates(Self.token, isSecure: true) == [.oauthBearer, .xoauth2])
    #expect(candidates(.kerberos(username: "a"), isSecure: true) == [.gssapi])
    #expect(
      SASLMechanism.candidates(for: Self.password, isSecure: true) { $0 == .cramMD5 } == [.cramMD5]
    )
  }

  @Test func `nothing shows a secret`() throws {
    let exchange = try exchange(.plain)
    let command = IMAPCommand.login(username: "user", password: "pencil")
    for shown in ["\(Self.password)", "\(exchange)", "\(command)"] {
      #expect(!shown.contains("pencil"))
    }
    var dumped = ""
    dump(Self.password, to: &dumped)
    dump(exchange, to: &dumped)
    dump(command, to: &dumped)
    #expect(!dumped.contains("pencil"))
  }
}
