package import MailProtocols
package import Net

/// Why a ManageSieve command did not do what it was asked, by what the caller can do about it.
///
/// No case ever holds a secret. After `refused`, `authenticationFailed`, `unsupported`, `invalid` and `busy`
/// the connection is still good.
package enum ManageSieveError: Error, Equatable, Sendable {
  /// The server answered NO to the command of this name.
  case refused(command: String, ManageSieveAnswer)
  /// The server does not take this user name and secret; its text.
  case authenticationFailed(response: String)
  /// The server lets nobody in now; it judges no secret.
  case turnedAway(response: String)
  /// The server names another one (RFC 5804 §1.3), which is not gone to: its address is nobody's setting.
  case referred(url: String)
  /// The server lacks what is needed.
  case unsupported(String)
  /// What was given cannot be sent.
  case invalid(ManageSieveInputError)
  /// Another task has a command under way on this client.
  case busy
  /// The server sent what is not ManageSieve, or not what was asked for.
  case broken(reason: String)
  /// The server, or this side, closed the connection.
  case closed
  case timedOut
  case cancelled
  /// The server sends more than a limit allows.
  case limitExceeded(limit: String)
  /// The connection could not be made, or failed.
  case network(NetError)

  /// The server's own words, where it said any.
  package var response: String? {
    switch self {
    case .refused(_, let answer): answer.text
    case .authenticationFailed(let response), .turnedAway(let response): response
    default: nil
    }
  }

  /// The response code of a refusal.
  package var code: ManageSieveCode? {
    if case .refused(_, let answer) = self { answer.code } else { nil }
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

  init(_ error: ManageSieveSyntaxError) {
    self =
      switch error {
      case .tooLong(let limit): .limitExceeded(limit: limit)
      default: .broken(reason: error.reason)
      }
  }

  /// What a BYE means: a referral, or that the server lets nobody in.
  init(bye answer: ManageSieveAnswer) {
    if answer.code?.isKind(of: "REFERRAL") == true {
      self = .referred(url: String(decoding: answer.code?.argument ?? [], as: UTF8.self))
    } else {
      self = .turnedAway(response: answer.text)
    }
  }
}
