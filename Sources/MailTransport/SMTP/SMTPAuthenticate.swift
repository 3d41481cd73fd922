package import MailProtocols
package import Net

extension SMTPClient {
  /// Logs in by name and password; see `authenticate(_:deadline:)`.
  package func authenticate(
    username: String,
    password: String,
    deadline: Deadline? = nil
  ) async throws(SMTPError) {
    try await authenticate(.password(username: username, password: password), deadline: deadline)
  }

  /// Logs in by the best SASL mechanism that the server offers and `credentials` serve, and by LOGIN
  /// where it offers no other.
  ///
  /// The secret is tried by a further mechanism only where one was called unfit (504, 534), or was refused
  /// before the server could tell a wrong secret from a right one: servers lock accounts after a few
  /// failures. Without TLS that never leads to a mechanism that reveals the secret, unless the first did.
  ///
  /// - Throws: `.unsupported` where none is offered, `.authenticationFailed` as the server says.
  package func authenticate(
    _ credentials: SASLCredentials,
    deadline: Deadline? = nil
  ) async throws(SMTPError) {
    let offered = capabilities.authMechanisms
    guard isUsable else { throw .closed }
    guard credentials.canBeSent else { throw .invalid(.credentials) }
    let mechanisms = SASLMechanism.candidates(for: credentials, isSecure: isSecure) {
      offered.contains($0.rawValue)
    }
    var refusal: SMTPReply?
    for mechanism in mechanisms {
      guard let (reply, isFinal) = try await attempt(mechanism, credentials, deadline) else {
        return
      }
      refusal = reply
      if isFinal { throw .authenticationFailed(reply) }
    }
    let mayReveal = isSecure || mechanisms.first?.revealsSecret ?? true
    guard offered.contains("LOGIN"), mayReveal, let password = credentials.password else {
      if let refusal { throw .authenticationFailed(refusal) }
      throw .unsupported(.authentication(offered: offered))
    }
    try await logIn(credentials.username, password, deadline)
  }

  /// LOGIN.
  private func logIn(
    _ username: String,
    _ password: String,
    _ deadline: Deadline?
  ) async throws(SMTPError) {
    session.logIn(username: username, password: password)
    let answer = try await event(until: deadline)
    guard answer == .authenticated else { throw failure(answer) }
  }

  /// One mechanism: nil where it led in, else the refusal, and whether no other mechanism is worth a try.
  private func attempt(
    _ mechanism: SASLMechanism,
    _ credentials: SASLCredentials,
    _ deadline: Deadline?
  ) async throws(SMTPError) -> (SMTPReply, isFinal: Bool)? {
    var dialogue: SASLDialogue
    do throws(SASLError) {
      dialogue = try await SASLDialogue(
        mechanism,
        credentials,
        service: service,
        sendsInitial: true,
        on: loop
      )
    } catch {
      return (SMTPReply(code: 535, lines: [error.words]), false)
    }
    session.authenticate(
      mechanism,
      initialResponse: dialogue.initial,
      secrets: credentials.secrets
    )
    while true {
      switch try await event(until: deadline) {
      case .challenge(let challenge): session.respond(await dialogue.answer(challenge))
      case .authenticated:
        guard dialogue.isProven else {
          close()
          throw .authenticationFailed(SMTPReply(code: 535, lines: [SASLDialogue.unproven]))
        }
        return nil
      case .authenticationFailed(let reply):
        if let mistake = dialogue.mistake {
          return (SMTPReply(code: reply.code, lines: [mistake.words]), dialogue.hasSentProof)
        }
        let isUnfit = [504, 534].contains(reply.code)
        return (reply, isFinal: dialogue.hasSentProof && !isUnfit)
      case let event: throw failure(event)
      }
    }
  }
}

extension SASLCredentials {
  /// Whether there is something to send, and nothing that no mechanism can carry.
  fileprivate var canBeSent: Bool {
    guard let password else { return true }
    return !username.isEmpty && !password.isEmpty && !username.utf8.contains(0)
      && !password.utf8.contains(0)
  }
}
