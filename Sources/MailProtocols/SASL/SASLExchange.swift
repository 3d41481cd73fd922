import Bytes

/// One exchange of a SASL mechanism, without the connection (RFC 4422 §3).
///
/// The protocol's driver takes the initial response, or answers each challenge, by `respond`:
///
///     C: A1 AUTHENTICATE SCRAM-SHA-256 biwsbj11c2VyLHI9…      respond(to: nil)
///     S: + cj1mS…                                             respond(to: challenge)
///     C: Yz1iaXdz…
///     S: + dj1…                                               respond(to: challenge), then isComplete
///     C:
///     S: A1 OK
///
/// Nothing of it is ever printed: it holds the secret.
package struct SASLExchange: Sendable, CustomStringConvertible, CustomReflectable {
  private enum Steps: Sendable {
    /// One message, and the answer to the report of an error where there is one.
    case message([UInt8], afterError: [UInt8]?)
    case library(GSASLSession)
  }

  /// What is spoken.
  package let mechanism: SASLMechanism
  /// Whether the mechanism has run to its end: an OK before that is not to be believed.
  package private(set) var isComplete = false
  /// Whether the server has seen enough to know a wrong secret from a right one.
  ///
  /// A refusal before that says nothing of the secret, so another mechanism may be tried.
  package private(set) var hasSentProof = false
  /// What an OAuth server says is wrong, such as `invalid_token` (RFC 7628 §3.2.2).
  package private(set) var errorStatus: String?
  private var steps: Steps
  private var responses = 0
  private let limits: SASLLimits

  /// An exchange of `mechanism`, which must be one of the candidates for `credentials`.
  package init(
    _ mechanism: SASLMechanism,
    _ credentials: SASLCredentials,
    service: SASLService,
    limits: SASLLimits = SASLLimits()
  ) throws(SASLError) {
    self.mechanism = mechanism
    self.limits = limits
    switch (mechanism, credentials.secret) {
    case (.plain, .password(let password)):
      steps = .message(try Self.plain(credentials.username, password), afterError: nil)
    case (.xoauth2, .token(let token)):
      steps = .message(try Self.xoauth2(credentials.username, token), afterError: [])
    case (.oauthBearer, .token(let token)):
      let message = try Self.oauthBearer(credentials.username, token, service)
      steps = .message(message, afterError: [0x01])
    case (.scramSHA256, .password), (.scramSHA1, .password), (.cramMD5, .password),
      (.gssapi, .ticket):
      steps = .library(try GSASLSession(mechanism, credentials, service: service))
    default:
      throw .unusable(reason: "\(mechanism.rawValue) does not take such credentials")
    }
  }

  /// The response to `challenge`, or the initial one for nil.
  ///
  /// May block where `mechanism.blocks`.
  package mutating func respond(to challenge: [UInt8]?) throws(SASLError) -> [UInt8] {
    let challenge = challenge ?? []
    guard challenge.count <= limits.challenge, responses < limits.challenges else {
      throw .badServer(reason: "too much of a challenge")
    }
    defer { responses += 1 }
    switch steps {
    case .message(let message, let afterError):
      return try respond(to: challenge, message, afterError)
    case .library(let session):
      guard !isComplete else { throw .unexpectedChallenge }
      if mechanism == .scramSHA1 || mechanism == .scramSHA256, responses == 1 {
        try checkIterations(challenge)
      }
      let (response, isDone) = try session.step(challenge)
      isComplete = isDone
      hasSentProof = responses >= (mechanism == .cramMD5 ? 0 : 1)
      return response
    }
  }

  private mutating func respond(
    to challenge: [UInt8],
    _ message: [UInt8],
    _ afterError: [UInt8]?
  ) throws(SASLError) -> [UInt8] {
    if responses == 0 {
      isComplete = true
      hasSentProof = true
      return message
    }
    guard let afterError, responses == 1 else { throw .unexpectedChallenge }
    errorStatus = Self.status(in: challenge)
    return afterError
  }

  /// A server that asks for billions of rounds would keep a thread for hours (RFC 7677 §4).
  private func checkIterations(_ challenge: [UInt8]) throws(SASLError) {
    guard
      let field = challenge.split(separator: 0x2C).last(where: { $0.starts(with: [0x69, 0x3D]) })
    else { return }
    let digits = Array(field.dropFirst(2))
    var reader = ByteReader(digits.span)
    guard let count = reader.number(), reader.isAtEnd, count <= UInt64(limits.iterations) else {
      throw .badServer(reason: "more than \(limits.iterations) iterations")
    }
  }

  // MARK: - The mechanisms that are one message

  /// `[authzid] NUL authcid NUL passwd` (RFC 4616 §2).
  private static func plain(
    _ username: String,
    _ password: String
  ) throws(SASLError) -> [UInt8] {
    guard !username.utf8.contains(0), !password.utf8.contains(0) else {
      throw .unusable(reason: "no NUL can be sent")
    }
    return [0] + Array(username.utf8) + [0] + Array(password.utf8)
  }

  private static func xoauth2(
    _ username: String,
    _ token: String
  ) throws(SASLError) -> [UInt8] {
    try requirePrintable(username, token)
    return Array("user=\(username)\u{1}auth=Bearer \(token)\u{1}\u{1}".utf8)
  }

  /// `client-resp` (RFC 7628 §3.1).
  private static func oauthBearer(
    _ username: String,
    _ token: String,
    _ service: SASLService
  ) throws(SASLError) -> [UInt8] {
    try requirePrintable(username, token)
    let name = username.replacing("=", with: "=3D").replacing(",", with: "=2C")
    let port = service.port.map { "port=\($0)\u{1}" } ?? ""
    let pairs = "host=\(service.host)\u{1}\(port)auth=Bearer \(token)\u{1}"
    return Array("n,a=\(name),\u{1}\(pairs)\u{1}".utf8)
  }

  private static func requirePrintable(
    _ username: String,
    _ token: String
  ) throws(SASLError) {
    guard !username.utf8.contains(where: \.isControl),
      token.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else { throw .unusable(reason: "a token is printable ASCII (RFC 6750 §2.1)") }
  }

  private static func status(in challenge: [UInt8]) -> String? {
    // A report that is no JSON says nothing, and the refusal that follows is reported anyway.
    guard let report = try? JSONReader.parse(challenge.span),
      let status = report["status"]?.stringValue
    else { return nil }
    return String(status.prefix(200))
  }

  package var description: String { "an exchange of \(mechanism.rawValue)" }
  package var customMirror: Mirror { Mirror(self, children: ["mechanism": mechanism]) }
}
