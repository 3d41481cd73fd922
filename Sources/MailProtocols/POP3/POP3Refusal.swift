/// What a `-ERR` says of trying again.
package enum POP3Refusal: Hashable, Sendable {
  /// The user name or the secret is wrong: nothing helps but others.
  case credentials
  /// The mailbox is locked by another session, ours of before perhaps: in a minute or two.
  case inUse
  /// The last login is too short a time ago: after the server's LOGIN-DELAY.
  case loginDelay
  /// The server is out of order or too busy: later.
  case temporary
  /// A person must mend the server or the account first.
  case permanent
  /// The message is UTF-8: after `UTF8`.
  case needsUTF8
  /// The server does not say.
  case unknown

  /// Whether the same credentials may do later, so that nobody need be asked for others.
  package var isWorthRetrying: Bool {
    switch self {
    case .inUse, .loginDelay, .temporary: true
    case .credentials, .permanent, .needsUTF8, .unknown: false
    }
  }
}

extension POP3Reply {
  /// What this `-ERR` says of trying again (RFC 2449 §8.1, RFC 3206 §4).
  package var refusal: POP3Refusal {
    guard let code else { return refusalInWords }
    if code.isKind(of: .inUse) { return .inUse }
    if code.isKind(of: .loginDelay) { return .loginDelay }
    if code.isKind(of: .authentication) { return .credentials }
    if code.isKind(of: .permanentFailure) { return .permanent }
    if code.isKind(of: POP3ResponseCode("SYS")) { return .temporary }
    if code.isKind(of: .utf8) { return .needsUTF8 }
    return refusalInWords
  }

  /// Leniency `refusalInWords`: without a code the words count.
  ///
  /// A wrong password is not what they mean, and a user who is asked for another one cannot help
  /// (RFC 2449 §8 says that clients did so before there were codes). Locks: RFC 1939's own examples, qpopper, Courier; delays: Hotmail.
  private var refusalInWords: POP3Refusal {
    let words = text.lowercased()
    func has(_ any: String...) -> Bool { any.contains { words.contains($0) } }
    if has("already locked", "lock maildrop", "is locked", "mailbox locked", "lock busy", "in use")
    {
      return .inUse
    }
    if has("login delay", "login limit", "too frequent", "minimum interval", "logging in too") {
      return .loginDelay
    }
    if has("temporar", "try again", "try later", "too many connections", "too many sessions") {
      return .temporary
    }
    return .unknown
  }
}
