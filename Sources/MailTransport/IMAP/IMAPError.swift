package import MailProtocols
package import Net

/// Why an IMAP command did not do what it was asked, by what the caller can do about it.
///
/// No case ever holds a password. After `refused`, `unsupported`, `notFound` and `busy` the
/// connection is still good (`hasBrokenConnection` is false); after all others it is closed.
package enum IMAPError: Error, Equatable, Sendable {
  /// The server answered NO or BAD to the command of this name; `response` is its text.
  case refused(command: String, response: String, code: ResponseCode?)
  /// The server does not take this user name and password.
  case authenticationFailed(response: String, code: ResponseCode?)
  /// The server lets us in neither now nor by another password: it has too many connections, or is out
  /// of order.
  case turnedAway(ConnectionRefusal, response: String)
  /// The server offers no way to log in here, mostly because the connection is not secure.
  case loginDisabled
  /// The server lacks what the command needs, such as a capability.
  case unsupported(String)
  /// The message, or its part, is not there; it may have been expunged.
  case notFound
  /// Another task has a command under way on this client.
  case busy
  /// The server sent what is not IMAP, or not what was asked for.
  case broken(reason: String)
  /// The server said BYE; its text.
  case bye(response: String)
  /// The server, or this side, closed the connection.
  case closed
  case timedOut
  case cancelled
  /// The server sends more than a limit allows.
  case limitExceeded(limit: String)
  /// The connection could not be made, or failed.
  case network(NetError)

  /// Whether the connection is of no more use.
  package var hasBrokenConnection: Bool {
    switch self {
    case .refused, .unsupported, .notFound, .busy: false
    default: true
    }
  }

  /// Whether the server knows no mailbox of the name that it was told: it cannot be opened, or nothing be put into it
  /// (RFC 3501 §7.1, TRYCREATE; RFC 5530 §3, NONEXISTENT).
  package var lacksMailbox: Bool {
    guard case .refused(let command, _, let code) = self else { return false }
    switch code {
    case .other("TRYCREATE", _)?, .other("NONEXISTENT", _)?: return true
    // A server without RFC 5530 says no more than NO, and Dovecot so of a mailbox that was made anew under the session.
    case nil: return command == "SELECT" || command == "EXAMINE"
    default: return false
    }
  }

  /// The server's own words, where it said any.
  package var response: String? {
    switch self {
    case .refused(_, let response, _), .authenticationFailed(let response, _), .bye(let response),
      .turnedAway(_, let response):
      response
    default: nil
    }
  }

  init(_ error: NetError) {
    self =
      switch error {
      case .closed: .closed
      case .timedOut: .timedOut
      case .cancelled: .cancelled
      default: .network(error)
      }
  }

  init(_ error: IMAPProtocolError) {
    self =
      switch error {
      case .framing(.tooLong(let limit)): .limitExceeded(limit: "a response of \(limit) bytes")
      case .framing(.literalTooLong(let limit)):
        .limitExceeded(limit: "a literal of \(limit) bytes")
      case .malformed(let error): .broken(reason: error.description)
      case .noGreeting(let start): .broken(reason: "not an IMAP server: it says \"\(start)\"")
      }
  }

  /// The error that a NO or BAD to `command` is.
  init(_ status: StatusResponse, to command: String) {
    self = .refused(command: command, response: status.text, code: status.code)
  }
}
