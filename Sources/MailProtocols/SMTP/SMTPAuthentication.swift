import Bytes

/// What the client says in one AUTH exchange (RFC 4954 §4).
///
///     C: AUTH PLAIN AGFsaWNlAHNlY3JldA==
///     S: 235 2.7.0 Authentication successful
///
/// The responses of a SASL mechanism come from the driver, which has the `SASLExchange`; those of LOGIN,
/// which is no SASL mechanism but two prompts (draft-murchison-sasl-login), are known from the start.
/// Nothing of it is ever printed: it holds the password.
struct SMTPAuthExchange: Sendable, CustomStringConvertible, CustomReflectable {
  private let name: String
  /// The responses known already and not yet sent, in base64, in order.
  private var responses: [String]
  /// Whether the driver is asked for those that are not known.
  private let asksDriver: Bool
  private var isCancelled = false
  /// What must not show in an error.
  private(set) var secrets: [String]

  /// A longer command line than this breaks servers, which then get the response when they ask for
  /// it (RFC 5321 §4.5.3.1.4).
  private static let longestCommand = 510

  /// An exchange of a SASL mechanism.
  init(_ mechanism: SASLMechanism, initialResponse: [UInt8]?, secrets: [String]) {
    name = mechanism.rawValue
    asksDriver = true
    responses = initialResponse.map { [Self.base64($0)] } ?? []
    self.secrets = secrets + secrets.map { Self.base64(Array($0.utf8)) } + responses
  }

  /// LOGIN.
  init(loginOf username: String, password: String) {
    name = "LOGIN"
    asksDriver = false
    responses = [Self.base64(Array(username.utf8)), Self.base64(Array(password.utf8))]
    secrets = [Self.base64(Array(password.utf8)), password]
  }

  /// The command, with the initial response where there is one and it fits; an empty one is `=`.
  mutating func command() -> String {
    guard asksDriver, let first = responses.first,
      first.utf8.count + name.utf8.count + 6 <= Self.longestCommand
    else { return "AUTH \(name)\r\n" }
    responses.removeFirst()
    return "AUTH \(name) \(first.isEmpty ? "=" : first)\r\n"
  }

  /// What follows a 334 challenge.
  enum Answer {
    /// This line is sent.
    case line(String)
    /// The driver is asked.
    case ask
    /// The exchange was given up, and goes on all the same.
    case broken
  }

  /// The answer to a 334 challenge.
  ///
  /// The prompts of LOGIN are not read: servers write them in many ways, but ask in one order. A server
  /// that wants more than LOGIN has is told `*`, to give up (RFC 4954 §4).
  mutating func answer() -> Answer {
    guard !isCancelled else { return .broken }
    if !responses.isEmpty { return .line(responses.removeFirst() + "\r\n") }
    return asksDriver ? .ask : .line(cancel())
  }

  /// The line for the driver's response; nil gives up.
  mutating func respond(_ response: [UInt8]?) -> String {
    guard let response else { return cancel() }
    let line = Self.base64(response)
    secrets.append(line)
    return line + "\r\n"
  }

  private mutating func cancel() -> String {
    isCancelled = true
    return "*\r\n"
  }

  var description: String { "AUTH \(name)" }
  var customMirror: Mirror { Mirror(self, children: []) }

  private static func base64(_ bytes: [UInt8]) -> String {
    String(utf8: Base64.standard.encode(bytes.span).span)
  }
}
