import Bytes
import Model
import MailProtocols
import MailTransport
import Net

// How a back end's failure is told: to a caller as a ServiceError, on the account as a state and a reason.

extension ServiceError {
  /// What a caller sees of a failed IMAP command.
  ///
  /// `authType` says by what the login was tried, where it was one.
  init(
    _ error: IMAPError,
    host: String,
    authType: BackendSettings.AuthType = .password
  ) {
    let backend = BackendFailure(
      protocolName: "imap",
      host: host,
      response: error.response
    )
    switch error {
    case .refused(let command, let response, _):
      self.init(
        .backendRefused,
        "The IMAP server refused \(command): \(response)",
        backend: backend
      )
    case .authenticationFailed(let response, _):
      self.init(
        .backendAuthenticationFailed,
        "The IMAP server refused \(authType.credentials): \(response)",
        backend: backend
      )
    case .turnedAway(let refusal, let response):
      self.init(
        .backendLimited,
        refusal == .tooMany
          ? "The IMAP server takes no further connection at present: \(response)"
          : "The IMAP server takes no login at present: \(response)",
        isRetryable: true,
        retryAfter: 30,
        backend: backend
      )
    case .loginDisabled:
      self.init(
        .backendAuthenticationFailed,
        "The IMAP server offers no way to log in on this connection; try tls implicit or starttls.",
        backend: backend
      )
    case .unsupported(let what):
      self.init(.backendUnsupported, "The IMAP server cannot do \(what).", backend: backend)
    case .notFound:
      self.init(
        .notFound,
        "The message is no longer on the server, or has no such part.",
        backend: backend
      )
    case .busy:
      self.init(
        .unavailable,
        "The connection to the IMAP server is busy.",
        isRetryable: true,
        retryAfter: 1
      )
    case .broken(let reason):
      self.init(
        .backendBroken,
        "The IMAP server broke the protocol: \(reason)",
        isRetryable: true,
        backend: backend
      )
    case .bye(let response):
      // It says why: it stops, or has waited too long (RFC 3501 §7.1.5). Nothing is broken.
      self.init(
        .backendUnreachable,
        "The IMAP server said goodbye: \(response)",
        isRetryable: true,
        retryAfter: 5,
        backend: backend
      )
    case .closed:
      self.init(
        .backendBroken,
        "The IMAP server closed the connection.",
        isRetryable: true,
        backend: backend
      )
    case .timedOut:
      self.init(
        .backendTimedOut,
        "The IMAP server did not answer in time.",
        isRetryable: true,
        backend: backend
      )
    case .cancelled:
      self.init(.unavailable, "The request was cancelled.", isRetryable: true)
    case .limitExceeded(let limit):
      self.init(
        .backendBroken,
        "The IMAP server sent more than is allowed: \(limit).",
        backend: backend
      )
    case .network(let error): self.init(error, backend: backend)
    }
  }

  /// What a caller sees of a mailbox's name that the server can never have (CANNOT, RFC 5530 §3); nil where that is not what failed.
  ///
  /// The member at `pointer` says the name.
  init?(_ error: IMAPError, host: String, namedAt pointer: String) {
    guard case .refused(let command, let response, let code) = error, code?.name == "CANNOT",
      command == "CREATE" || command == "RENAME"
    else { return nil }
    self.init(error, host: host)
    self.code = .unprocessable
    fields = [FieldError(pointer: pointer, code: "format", detail: response)]
  }

  /// What a caller sees of a failed connection.
  init(_ error: NetError, backend: BackendFailure) {
    switch error {
    case .unresolved(let host, _):
      self.init(
        .backendUnresolved,
        "The host name \(host) has no address.",
        isRetryable: true,
        backend: backend
      )
    case .refusedByPolicy(let host, let address):
      self.init(
        .hostNotAllowed,
        "The host \(host) has the address \(address), which this service may not reach; "
          + "its operator can allow it by --allow-network.",
        backend: backend
      )
    case .connectFailed(let host, let port, let reason):
      self.init(
        .backendUnreachable,
        "\(host) does not accept connections on port \(port): \(reason)",
        isRetryable: true,
        backend: backend
      )
    case .tls(let reason):
      self.init(
        .backendTLSFailed,
        "TLS with \(backend.host) failed: \(reason)",
        backend: backend
      )
    case .timedOut:
      self.init(
        .backendTimedOut,
        "\(backend.host) did not answer in time.",
        isRetryable: true,
        backend: backend
      )
    case .closed, .system:
      self.init(
        .backendBroken,
        "The connection to \(backend.host) broke.",
        cause: "\(error)",
        isRetryable: true,
        backend: backend
      )
    case .cancelled:
      self.init(.unavailable, "The request was cancelled.", isRetryable: true)
    }
  }

  /// What a caller sees of a failed SMTP session.
  init(_ error: SMTPError, host: String) {
    var backend = BackendFailure(protocolName: "smtp", host: host)
    switch error {
    case .refused(let reply, let stage):
      backend.note(reply)
      self.init(
        .backendRefused,
        "The SMTP server refused \(stage.rawValue): \(reply.text)",
        isRetryable: reply.isTransient,
        backend: backend
      )
    case .authenticationFailed(let reply) where reply.isTransient:
      // The server is out of order, or wants fewer logins: it did not judge the password (RFC 4954 §6).
      backend.note(reply)
      self.init(
        .backendLimited,
        "The SMTP server takes no login at present: \(reply.text)",
        isRetryable: true,
        retryAfter: 30,
        backend: backend
      )
    case .authenticationFailed(let reply):
      backend.note(reply)
      self.init(
        .backendAuthenticationFailed,
        "The SMTP server refused the user name or password: \(reply.text)",
        backend: backend
      )
    case .invalid(let reason):
      self.init(.unprocessable, "This cannot be sent: \(reason).", backend: backend)
    case .unsupported(let what):
      self.init(
        .backendUnsupported,
        "The SMTP server does not offer what this needs: \(what).",
        backend: backend
      )
    case .abandoned(let error):
      self.init(
        .unavailable,
        "The message was not sent.",
        cause: "\(error)",
        isRetryable: true
      )
    case .broken(let reason):
      self.init(
        .backendBroken,
        "The SMTP server broke the protocol: \(reason)",
        isRetryable: true,
        backend: backend
      )
    case .closed:
      self.init(
        .backendBroken,
        "The SMTP server closed the connection.",
        isRetryable: true,
        backend: backend
      )
    case .timedOut(let stage):
      self.init(
        .backendTimedOut,
        "The SMTP server did not answer in time (\(stage.rawValue)).",
        isRetryable: true,
        backend: backend
      )
    case .network(let error): self.init(error, backend: backend)
    }
  }

  /// How the account stands after this failure.
  var accountState: AccountState {
    code == .backendAuthenticationFailed ? .authenticationFailed : .unreachable
  }

  /// What the account shows of this failure.
  func failure(at now: Timestamp) -> AccountFailure {
    AccountFailure(code: code, message: message, response: backend?.response, at: now)
  }
}

extension BackendFailure {
  fileprivate mutating func note(_ reply: SMTPReply) {
    response = reply.description
    enhancedStatus = reply.enhancedStatus?.description
  }
}
