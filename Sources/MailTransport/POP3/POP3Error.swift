package import MailProtocols
package import Net

/// Why a POP3 command did not do what it was asked, by what the caller can do about it.
///
/// No case ever holds a password. After `refused`, `unsupported`, `invalid`, `unverified` and `busy` the
/// connection is still good (`hasBrokenConnection` is false). Nothing is ever deleted on a connection
/// that ends without QUIT (RFC 1939 §6).
package enum POP3Error: Error, Equatable, Sendable {
  /// The server answered `-ERR` to the command of this name.
  case refused(command: String, POP3Reply)
  /// The server does not take this user name and secret; its text.
  case authenticationFailed(response: String)
  /// The server lets nobody in now, or not this user; it judges no secret. Which wait helps, if any, and
  /// its text.
  case turnedAway(POP3Refusal, response: String)
  /// The server lacks what is needed, such as a capability.
  case unsupported(String)
  /// What was given cannot be sent.
  case invalid(POP3InputError)
  /// The message to delete was not seen under this identity in this session; nothing was sent.
  case unverified(POP3MessageNumber)
  /// Another task has a command under way on this client.
  case busy
  /// The server sent what is not POP3, or not what was asked for.
  case broken(reason: String)
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
    case .refused, .unsupported, .invalid, .unverified, .busy: false
    default: true
    }
  }

  /// The server's own words, where it said any.
  package var response: String? {
    switch self {
    case .refused(_, let reply): reply.text
    case .authenticationFailed(let response), .turnedAway(_, let response): response
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

  init(_ error: POP3SyntaxError) {
    self =
      switch error {
      case .tooLong(let limit): .limitExceeded(limit: limit)
      default: .broken(reason: error.reason)
      }
  }
}
