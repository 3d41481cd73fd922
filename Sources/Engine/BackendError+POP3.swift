import MailProtocols
import MailTransport
import Model
import Net

extension ServiceError {
  /// What a caller sees of a failed POP3 command.
  ///
  /// `authType` says by what the login was tried, where it was one.
  init(_ error: POP3Error, host: String, authType: BackendSettings.AuthType = .password) {
    let backend = BackendFailure(protocolName: "pop3", host: host, response: error.response)
    switch error {
    case .refused(let command, let reply):
      self.init(
        .backendRefused,
        "The POP3 server refused \(command): \(reply.text)",
        isRetryable: reply.refusal.isWorthRetrying,
        backend: backend
      )
    case .authenticationFailed(let response):
      self.init(
        .backendAuthenticationFailed,
        "The POP3 server refused \(authType.credentials): \(response)",
        backend: backend
      )
    case .turnedAway(let refusal, let response):
      self.init(refusal, response, backend)
    case .unsupported(let what):
      self.init(.backendUnsupported, "The POP3 server cannot do \(what).", backend: backend)
    case .invalid:
      self.init(
        .backendAuthenticationFailed,
        "POP3 cannot carry this user name or this secret.",
        backend: backend
      )
    case .unverified(let number):
      self.init(
        .backendBroken,
        "Message \(number) is not known to be the one that was downloaded.",
        backend: backend
      )
    case .busy, .cancelled:
      self.init(.unavailable, "The request was cancelled.", isRetryable: true)
    case .broken(let reason):
      self.init(
        .backendBroken,
        "The POP3 server broke the protocol: \(reason)",
        isRetryable: true,
        backend: backend
      )
    case .closed:
      self.init(
        .backendBroken,
        "The POP3 server closed the connection.",
        isRetryable: true,
        backend: backend
      )
    case .timedOut:
      self.init(
        .backendTimedOut,
        "The POP3 server did not answer in time.",
        isRetryable: true,
        backend: backend
      )
    case .limitExceeded(let limit):
      self.init(
        .backendBroken,
        "The POP3 server sent more than is allowed: \(limit).",
        backend: backend
      )
    case .network(let error): self.init(error, backend: backend)
    }
  }

  /// A login that the server put off without a judgement of the secret.
  private init(_ refusal: POP3Refusal, _ response: String, _ backend: BackendFailure) {
    let reason =
      switch refusal {
      case .inUse: "The mailbox is in use by another session"
      case .loginDelay: "The POP3 server wants more time between two logins"
      case .permanent: "The POP3 server has a fault that a person must mend"
      default: "The POP3 server takes no login at present"
      }
    let text = response.isEmpty ? "\(reason)." : "\(reason): \(response)"
    guard refusal.isWorthRetrying else {
      self.init(.backendRefused, text, backend: backend)
      return
    }
    self.init(.backendLimited, text, isRetryable: true, retryAfter: 60, backend: backend)
  }
}
