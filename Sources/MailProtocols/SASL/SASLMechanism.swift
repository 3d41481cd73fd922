/// A SASL mechanism (RFC 4422) that is spoken here.
package enum SASLMechanism: String, CaseIterable, Sendable {
  /// RFC 4752: Kerberos, with the tickets of the process.
  case gssapi = "GSSAPI"
  /// RFC 7677.
  case scramSHA256 = "SCRAM-SHA-256"
  /// RFC 5802.
  case scramSHA1 = "SCRAM-SHA-1"
  /// RFC 7628.
  case oauthBearer = "OAUTHBEARER"
  /// Google's forerunner of OAUTHBEARER, which Microsoft takes too.
  case xoauth2 = "XOAUTH2"
  /// RFC 2195.
  case cramMD5 = "CRAM-MD5"
  /// RFC 4616.
  case plain = "PLAIN"

  /// Whether the client speaks first, so that its response can go with the command (RFC 4422 §5).
  package var isClientFirst: Bool { self != .cramMD5 }

  /// Whether whoever reads the connection can use what is sent again.
  package var revealsSecret: Bool {
    switch self {
    case .plain, .oauthBearer, .xoauth2: true
    case .gssapi, .scramSHA256, .scramSHA1, .cramMD5: false
    }
  }

  /// Whether a step may wait for another machine, or compute for milliseconds, and so belongs on a
  /// thread that may block.
  package var blocks: Bool {
    switch self {
    case .gssapi, .scramSHA256, .scramSHA1: true
    case .oauthBearer, .xoauth2, .cramMD5, .plain: false
    }
  }

  /// Whether the server must prove itself before its OK means anything (RFC 5802 §3).
  package var provesServer: Bool {
    switch self {
    case .gssapi, .scramSHA256, .scramSHA1: true
    case .oauthBearer, .xoauth2, .cramMD5, .plain: false
    }
  }

  /// The mechanisms that `credentials` serve and the server offers, the one to try first in front.
  ///
  /// Under TLS, whose certificate was verified, PLAIN comes first: it is one round trip and no hashing,
  /// where SCRAM takes three and some milliseconds of both sides for each of thousands of connections.
  /// Without TLS what reveals the secret is among them only where all of them do: a refusal must not lead
  /// from one that keeps it to one that does not. Where all do, the caller chose to log in without TLS.
  package static func candidates(
    for credentials: SASLCredentials,
    isSecure: Bool,
    isOffered: (SASLMechanism) -> Bool
  ) -> [SASLMechanism] {
    let all: [SASLMechanism] =
      switch credentials.secret {
      case .password where isSecure: [.plain, .scramSHA256, .scramSHA1, .cramMD5]
      case .password: [.scramSHA256, .scramSHA1, .cramMD5, .plain]
      case .token: [.oauthBearer, .xoauth2]
      case .ticket: [.gssapi]
      }
    let offered = all.filter(isOffered)
    guard !isSecure, let first = offered.first, !first.revealsSecret else { return offered }
    return offered.filter { !$0.revealsSecret }
  }
}

/// Who logs in, and by what; its description never shows the secret.
package struct SASLCredentials: Sendable, CustomStringConvertible, CustomReflectable {
  enum Secret: Sendable {
    case password(String)
    case token(String)
    case ticket
  }

  /// The name that the server knows the user by.
  package let username: String
  let secret: Secret

  private init(_ username: String, _ secret: Secret) {
    self.username = username
    self.secret = secret
  }

  /// A name and a password.
  package static func password(username: String, password: String) -> SASLCredentials {
    SASLCredentials(username, .password(password))
  }

  /// A name and an OAuth access token, which the caller keeps fresh (RFC 6750).
  package static func token(username: String, token: String) -> SASLCredentials {
    SASLCredentials(username, .token(token))
  }

  /// A name, and the Kerberos ticket that the process has in its cache.
  package static func kerberos(username: String) -> SASLCredentials {
    SASLCredentials(username, .ticket)
  }

  /// The password, where that is what the user has.
  package var password: String? {
    if case .password(let password) = secret { password } else { nil }
  }

  /// What must not show in an error or a log.
  package var secrets: [String] {
    switch secret {
    case .password(let text), .token(let text): text.isEmpty ? [] : [text]
    case .ticket: []
    }
  }

  package var description: String { "credentials of \(username)" }
  package var customMirror: Mirror { Mirror(self, children: ["username": username]) }
}

/// Where the credentials are shown, as some mechanisms sign it.
package struct SASLService: Hashable, Sendable {
  /// The name registered for the protocol, such as `imap`.
  package var name: String
  package var host: String
  package var port: UInt16?

  /// The service `name` of `host`.
  package init(_ name: String, host: String, port: UInt16? = nil) {
    self.name = name
    self.host = host
    self.port = port
  }
}

/// Why an exchange cannot go on; none of it holds a secret.
package enum SASLError: Error, Equatable, Sendable {
  /// The server asks for what the mechanism does not have.
  case unexpectedChallenge
  /// A challenge is not of the mechanism's form, or the server's proof is wrong.
  case badServer(reason: String)
  /// The mechanism cannot be used with these credentials or on this machine.
  case unusable(reason: String)
}

/// What a server may make a mechanism do.
package struct SASLLimits: Sendable {
  /// Rounds of hashing that SCRAM may ask for: a million take about a second.
  package var iterations = 1_000_000
  /// Bytes of one challenge.
  package var challenge = 65_536
  /// Challenges in one exchange; GSSAPI needs four.
  package var challenges = 20

  /// The defaults that stand at each member.
  package init() {}
}
