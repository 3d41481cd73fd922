import Logging
import Model

extension Logger {
  /// Says that an account is not in touch with its server, where that is, and in what words it said why.
  ///
  /// No message holds a secret: what servers say is cleaned of those before it becomes one.
  func accountFailed(_ failure: ServiceError) {
    notice(
      "account failed",
      metadata: [
        "code": "\(failure.code.rawValue)", "host": "\(failure.backend?.host ?? "")",
        "cause": "\(failure.cause ?? failure.message)",
      ]
    )
  }
}
