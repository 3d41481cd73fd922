/// Why a server turns a connection or a login away without judging the password.
///
///     S: * BYE Too many connections.
///     S: A1 NO [LIMIT] Maximum number of connections from user+IP exceeded
///     S: A1 NO [UNAVAILABLE] Temporary authentication failure
package enum ConnectionRefusal: Hashable, Sendable {
  /// There are too many connections: with fewer of them the next is let in.
  case tooMany
  /// The server is out of order, or asks for patience: later it lets us in.
  case later
}

extension StatusResponse {
  /// Why this answer to LOGIN or AUTHENTICATE, or this BYE, turns the connection away; nil where it says
  /// something else, of the password above all (RFC 5530 §3).
  ///
  /// Leniency `limitInWords`: without a code that says it, the words count: Gmail tells that there are
  /// too many connections by ALERT, others by no code at all, and a wrong password is not what they mean.
  package var connectionRefusal: ConnectionRefusal? {
    switch code?.name {
    case "LIMIT", "INUSE": return .tooMany
    case "UNAVAILABLE", "SERVERBUG", "OVERQUOTA", "THROTTLED": return .later
    case "AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED", "PRIVACYREQUIRED",
      "CONTACTADMIN":
      return nil
    default: break
    }
    let words = text.lowercased()
    let names = ["connection", "session"].contains { words.contains($0) }
    let bounds = ["too many", "maximum", "simultaneous", "concurrent", "limit", "exceed"]
    if names, bounds.contains(where: { words.contains($0) }) { return .tooMany }
    if words.contains("rate limit") || words.contains("temporary") { return .later }
    return nil
  }
}
