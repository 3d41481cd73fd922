import Bytes

/// The SASL mechanisms that a password serves.
package enum SMTPAuthMechanism: String, CaseIterable, Sendable {
  /// RFC 4616.
  case plain = "PLAIN"
  /// The prompts of draft-murchison-sasl-login, which some servers offer alone.
  case login = "LOGIN"
}

/// One AUTH exchange (RFC 4954 §4).
///
///     C: AUTH PLAIN AGFsaWNlAHNlY3JldA==
///     S: 235 2.7.0 Authentication successful
///
/// Nothing of it is ever printed: it holds the password.
struct SMTPAuthExchange: Sendable, CustomStringConvertible, CustomReflectable {
  let mechanism: SMTPAuthMechanism
  private let username: String
  private let password: String
  /// The responses not yet sent, in order.
  private var responses: [String]
  private var isCancelled = false

  /// A longer command line than this breaks servers, which then get the response when they ask for
  /// it (RFC 5321 §4.5.3.1.4).
  private static let longestCommand = 510

  init(mechanism: SMTPAuthMechanism, username: String, password: String) {
    self.mechanism = mechanism
    self.username = username
    self.password = password
    switch mechanism {
    case .plain: responses = [Self.base64("\0\(username)\0\(password)")]
    case .login: responses = [Self.base64(username), Self.base64(password)]
    }
  }

  /// The command, with the initial response where the mechanism has one and it fits.
  mutating func command() -> String {
    guard mechanism == .plain, let first = responses.first,
      first.utf8.count + 11 <= Self.longestCommand
    else { return "AUTH \(mechanism.rawValue)\r\n" }
    responses.removeFirst()
    return "AUTH PLAIN \(first)\r\n"
  }

  /// The answer to a 334 challenge; nil where the exchange was cancelled and goes on all the same.
  ///
  /// The prompts of LOGIN are not read: servers write them in many ways, but ask in one order.
  /// A server that wants more than the mechanism has is told `*`, to give up (RFC 4954 §4).
  mutating func respond() -> String? {
    guard !isCancelled else { return nil }
    guard responses.isEmpty else { return responses.removeFirst() + "\r\n" }
    isCancelled = true
    return "*\r\n"
  }

  /// What must not show in an error.
  var secrets: [String] {
    [
      Self.base64("\0\(username)\0\(password)"), Self.base64(password), password,
    ]
  }

  var description: String { "AUTH \(mechanism.rawValue)" }
  var customMirror: Mirror { Mirror(self, children: []) }

  private static func base64(_ text: String) -> String {
    String(utf8: Base64.standard.encode(Array(text.utf8).span).span)
  }
}
