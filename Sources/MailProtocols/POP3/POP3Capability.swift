/// A capability's name (RFC 2449 §5), in upper case: an open set.
package struct POP3Capability: RawRepresentable, Hashable, Sendable {
  /// The name in upper case.
  package let rawValue: String

  /// A capability by its name in any case.
  package init(rawValue: String) {
    self.rawValue = rawValue.uppercased()
  }

  /// TOP (RFC 1939 §7).
  package static let top = Self(rawValue: "TOP")
  /// USER and PASS (RFC 1939 §7).
  package static let user = Self(rawValue: "USER")
  /// AUTH by SASL (RFC 5034).
  package static let sasl = Self(rawValue: "SASL")
  /// Response codes in brackets (RFC 2449 §8).
  package static let responseCodes = Self(rawValue: "RESP-CODES")
  /// That AUTH and SYS among them tell a wrong secret from a failure (RFC 3206 §5).
  package static let authResponseCode = Self(rawValue: "AUTH-RESP-CODE")
  /// The least time between logins (RFC 2449 §6.5).
  package static let loginDelay = Self(rawValue: "LOGIN-DELAY")
  /// Commands sent ahead of answers (RFC 2449 §6.6).
  package static let pipelining = Self(rawValue: "PIPELINING")
  /// How long mail stays on the server (RFC 2449 §6.7).
  package static let expire = Self(rawValue: "EXPIRE")
  /// UIDL (RFC 1939 §7).
  package static let uniqueIDs = Self(rawValue: "UIDL")
  /// The upgrade to TLS (RFC 2595 §4).
  package static let startTLS = Self(rawValue: "STLS")
  /// Messages in UTF-8 (RFC 6856 §2).
  package static let utf8 = Self(rawValue: "UTF8")
  /// The language of texts for people (RFC 6856 §3).
  package static let language = Self(rawValue: "LANG")
  /// What the server is called (RFC 2449 §6.9).
  package static let implementation = Self(rawValue: "IMPLEMENTATION")
}

/// What the server said it can do, in its answer to CAPA.
///
///     S: +OK Capability list follows
///     S: SASL PLAIN SCRAM-SHA-256
///     S: EXPIRE 60
///     S: .
package struct POP3Capabilities: Hashable, Sendable {
  /// The capabilities with their parameters as they came.
  package private(set) var all: [POP3Capability: [String]] = [:]

  /// A server that offers nothing.
  package init() {}

  /// A server with these lines.
  package init(lines: [String]) {
    for line in lines { add(line) }
  }

  /// Adds a line.
  ///
  /// Leniency `repeatedCapability`: one that comes twice counts as the union.
  mutating func add(_ line: String) {
    let words = line.split { $0 == " " || $0 == "\t" }.map(String.init)
    guard let name = words.first else { return }
    all[POP3Capability(rawValue: name), default: []] += words.dropFirst()
  }

  /// Whether `wanted` is offered.
  package func offers(_ wanted: POP3Capability) -> Bool { all[wanted] != nil }

  /// The SASL mechanisms in upper case, in the server's order.
  package var mechanisms: [String] { (all[.sasl] ?? []).map { $0.uppercased() } }

  /// The least time between the end of one login and the next; nil where the server names none.
  ///
  /// Before login it is the longest that any user has (RFC 2449 §6.5).
  package var loginDelay: Duration? {
    guard let text = all[.loginDelay]?.first, let seconds = UInt32(text) else { return nil }
    return .seconds(Int64(seconds))
  }

  /// How long the server keeps mail; nil where it does not say.
  ///
  /// Before login it is the shortest time that any user's mail has (RFC 2449 §6.7).
  package var expiry: POP3Expiry? {
    guard let text = all[.expire]?.first else { return nil }
    if text.uppercased() == "NEVER" { return .never }
    guard let days = UInt32(text) else { return nil }
    return days == 0 ? .atOnce : .days(Int(days))
  }

  /// Whether user names and passwords may be UTF-8 beyond AUTH (RFC 6856 §2.2).
  package var takesUTF8Credentials: Bool {
    (all[.utf8] ?? []).contains { $0.uppercased() == "USER" }
  }
}

/// How long a server keeps mail (RFC 2449 §6.7).
package enum POP3Expiry: Hashable, Sendable {
  /// `EXPIRE 0`: what was retrieved may be gone after QUIT, as if by DELE.
  case atOnce
  /// At least this many days, from an event of the server's choice.
  case days(Int)
  /// The server deletes nothing.
  case never
}
