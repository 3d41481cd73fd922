import MailProtocols
import MailTransport
import Model
import Net

extension ServiceError {
  /// What a caller sees of a failed ManageSieve command.
  ///
  /// `authType` says by what the login was tried, where it was one.
  init(
    _ error: ManageSieveError,
    host: String,
    authType: BackendSettings.AuthType = .password
  ) {
    let backend = BackendFailure(
      protocolName: "managesieve",
      host: host,
      response: error.response
    )
    switch error {
    case .refused(let command, let answer):
      self.init(refusedBy: answer, command, backend)
    case .authenticationFailed(let response):
      self.init(
        .backendAuthenticationFailed,
        "The ManageSieve server refused \(authType.credentials): \(response)",
        backend: backend
      )
    case .turnedAway(let response):
      self.init(
        .backendLimited,
        "The ManageSieve server takes no login at present: \(response)",
        isRetryable: true,
        retryAfter: 60,
        backend: backend
      )
    case .referred(let url):
      self.init(
        .backendRefused,
        "The ManageSieve server sends us to \(url); name that one in sieve if it is right.",
        backend: backend
      )
    case .unsupported(let what):
      self.init(
        .backendUnsupported,
        "The ManageSieve server cannot do \(what).",
        backend: backend
      )
    case .invalid(.scriptName):
      self.init(.unprocessable, "No script may have this name.")
    case .invalid(.scriptTooLong):
      self.init(.unprocessable, "The script is too long.")
    case .busy, .cancelled:
      self.init(.unavailable, "The request was cancelled.", isRetryable: true)
    case .broken(let reason): self.init(broken: "broke the protocol: \(reason)", backend)
    case .closed: self.init(broken: "closed the connection", backend)
    case .limitExceeded(let limit):
      self.init(broken: "sent more than is allowed: \(limit)", backend)
    case .timedOut:
      self.init(
        .backendTimedOut,
        "The ManageSieve server did not answer in time.",
        isRetryable: true,
        backend: backend
      )
    case .network(let error): self.init(error, backend: backend)
    }
  }

  private init(broken words: String, _ backend: BackendFailure) {
    self.init(
      .backendBroken,
      "The ManageSieve server \(words).",
      isRetryable: true,
      backend: backend
    )
  }

  /// A refusal by the code that says why (RFC 5804 §1.3).
  private init(
    refusedBy answer: ManageSieveAnswer,
    _ command: String,
    _ backend: BackendFailure
  ) {
    let code = answer.code
    if code?.isKind(of: "NONEXISTENT") == true {
      self.init(.notFound, "There is no such script.", backend: backend)
    } else if code?.isKind(of: "ALREADYEXISTS") == true {
      self.init(.conflict, "There is a script of this name.", backend: backend)
    } else if code?.isKind(of: "ACTIVE") == true {
      self.init(
        .conflict,
        "The script is active; activate none or another first.",
        backend: backend
      )
    } else {
      self.init(
        .backendRefused,
        "The ManageSieve server refused \(command): \(answer.text)",
        isRetryable: code?.isKind(of: "TRYLATER") == true,
        backend: backend
      )
    }
  }
}
