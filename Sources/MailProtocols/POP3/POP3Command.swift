import Bytes

/// A command with all its arguments, ready to be sent; its description never shows a secret.
package struct POP3Command: Sendable {
  /// What the answer looks like, and what it changes.
  enum Kind: Hashable, Sendable {
    /// One line, and nothing else changes.
    case single
    case capabilities
    case startTLS
    /// One line; `+OK` leads into the mailbox.
    case login
    /// Challenges, and one line at last.
    case sasl
    case status
    case scanListing
    case uniqueIDs
    case languages
    case utf8
    /// The text of a message; with the size that a listing gave, if it did.
    case text(announced: Int?)
    case quit
  }

  /// The verb, such as `RETR`.
  package let name: String
  let bytes: [UInt8]
  let kind: Kind
  /// What must not show in an error.
  let secrets: [[UInt8]]

  private init(
    _ name: String,
    _ kind: Kind,
    _ arguments: String = "",
    secrets: [[UInt8]] = []
  ) {
    self.name = name
    self.kind = kind
    self.secrets = secrets
    bytes = Array((arguments.isEmpty ? "\(name)\r\n" : "\(name) \(arguments)\r\n").utf8)
  }

  /// Whether the answer is more than one line where it is `+OK`.
  var isMultiLine: Bool {
    switch kind {
    case .capabilities, .scanListing, .uniqueIDs, .languages, .text: true
    case .single, .startTLS, .login, .sasl, .status, .utf8, .quit: false
    }
  }
}

// MARK: - The commands

extension POP3Command {
  /// Asks what the server can do (RFC 2449 §5).
  package static var capabilities: Self { Self("CAPA", .capabilities) }
  /// The upgrade to TLS (RFC 2595 §4).
  package static var startTLS: Self { Self("STLS", .startTLS) }
  /// Asks how much mail there is (RFC 1939 §5).
  package static var status: Self { Self("STAT", .status) }
  /// The sizes of all messages (RFC 1939 §5).
  package static var list: Self { Self("LIST", .scanListing) }
  /// The unique ids of all messages (RFC 1939 §7).
  package static var uniqueIDs: Self { Self("UIDL", .uniqueIDs) }
  /// Nothing (RFC 1939 §5).
  package static var noop: Self { Self("NOOP", .single) }
  /// Takes back every DELE (RFC 1939 §5).
  package static var reset: Self { Self("RSET", .single) }
  /// Messages as they are in UTF-8 (RFC 6856 §2.1).
  package static var utf8: Self { Self("UTF8", .utf8) }
  /// Asks which languages there are (RFC 6856 §3).
  package static var languages: Self { Self("LANG", .languages) }
  /// The end, which makes every DELE true (RFC 1939 §6).
  package static var quit: Self { Self("QUIT", .quit) }

  /// The size of one message (RFC 1939 §5).
  package static func list(_ number: POP3MessageNumber) -> Self {
    Self("LIST", .single, "\(number)")
  }

  /// The unique id of one message (RFC 1939 §7).
  package static func uniqueID(_ number: POP3MessageNumber) -> Self {
    Self("UIDL", .single, "\(number)")
  }

  /// A whole message (RFC 1939 §5); `announced` is its size where LIST told it.
  package static func retrieve(_ number: POP3MessageNumber, announced: Int? = nil) -> Self {
    Self("RETR", .text(announced: announced), "\(number)")
  }

  /// The header of a message, and the first lines of its body (RFC 1939 §7).
  package static func top(_ number: POP3MessageNumber, lines: Int) -> Self {
    Self("TOP", .text(announced: nil), "\(number) \(max(0, lines))")
  }

  /// Marks a message as deleted (RFC 1939 §5).
  package static func delete(_ number: POP3MessageNumber) -> Self {
    Self("DELE", .single, "\(number)")
  }

  /// Asks for texts in a language, `*` for the server's choice (RFC 6856 §3.2).
  package static func language(_ tag: String) throws(POP3InputError) -> Self {
    let isTag = tag.utf8.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || $0 == 0x2D }
    guard tag == "*" || (isTag && (1...100).contains(tag.utf8.count)) else { throw .language }
    return Self("LANG", .single, tag)
  }

  // MARK: Login

  /// Who logs in (RFC 1939 §7).
  package static func user(_ username: String) throws(POP3InputError) -> Self {
    try fitting(Self("USER", .single, require(username, or: .username)))
  }

  /// By which password (RFC 1939 §7).
  package static func password(_ password: String) throws(POP3InputError) -> Self {
    let text = try require(password, or: .password)
    return try fitting(Self("PASS", .login, text, secrets: [Array(password.utf8)]))
  }

  /// As which user of the client's machine, in place of PASS (RFC 1081, RFC 1225: RPOP).
  ///
  /// The server believes it where the connection comes from a reserved port of a machine that it
  /// trusts, as rlogin did; no later RFC has it.
  package static func remoteUser(_ userID: String) throws(POP3InputError) -> Self {
    try fitting(Self("RPOP", .login, require(userID, or: .username)))
  }

  /// By a digest of the greeting's timestamp and the password (RFC 1939 §7).
  package static func apop(
    _ username: String,
    password: String,
    timestamp: POP3Timestamp
  ) throws(POP3InputError) -> Self {
    let name = try require(username, or: .username)
    // The name ends at the blank before the digest.
    guard !name.utf8.contains(.space), !password.isEmpty,
      let digest = timestamp.digest(password: password)
    else { throw name.utf8.contains(.space) ? .username : .password }
    let secrets = [Array(digest.utf8), Array(password.utf8)]
    return try fitting(Self("APOP", .login, "\(name) \(digest)", secrets: secrets))
  }

  /// AUTH by a SASL mechanism (RFC 5034 §4), with the initial response where it fits into a command.
  ///
  /// The answer's `sendsInitialResponse` tells whether it did; else the server asks for it.
  package static func authenticate(
    _ mechanism: SASLMechanism,
    initialResponse: [UInt8]?,
    secrets: [String]
  ) -> (command: Self, sendsInitialResponse: Bool) {
    let text = initialResponse.map { String(utf8: Base64.standard.encode($0.span).span) }
    let hidden = (secrets + [text ?? ""]).map { Array($0.utf8) }
    let response = text.map { $0.isEmpty ? "=" : $0 }
    if let response {
      let arguments = "\(mechanism.rawValue) \(response)"
      let command = Self("AUTH", .sasl, arguments, secrets: hidden)
      if command.bytes.count <= longestCommand { return (command, true) }
    }
    return (Self("AUTH", .sasl, mechanism.rawValue, secrets: hidden), false)
  }

  /// The longest command that servers must take, its CRLF included (RFC 2449 §4).
  static let longestCommand = 255

  private static func require(
    _ text: String,
    or error: POP3InputError
  ) throws(POP3InputError) -> String {
    guard !text.isEmpty, !text.utf8.contains(where: { $0.isControl }) else { throw error }
    return text
  }

  private static func fitting(_ command: Self) throws(POP3InputError) -> Self {
    guard command.bytes.count <= longestCommand else { throw .tooLong }
    return command
  }
}

extension POP3Command: CustomStringConvertible, CustomReflectable {
  /// The verb alone.
  package var description: String { name }
  package var customMirror: Mirror { Mirror(self, children: ["name": name]) }
}
