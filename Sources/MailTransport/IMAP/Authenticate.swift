import Bytes
package import MailProtocols
package import Net

extension IMAPClient {
  /// Logs in by name and password; see `authenticate(_:deadline:)`.
  package func authenticate(
    username: String,
    password: String,
    deadline: Deadline? = nil
  ) async throws(IMAPError) {
    try await authenticate(.password(username: username, password: password), deadline: deadline)
  }

  /// Logs in by the best SASL mechanism that the server offers and `credentials` serve, and by LOGIN
  /// where it offers none.
  ///
  /// Where a mechanism is refused before the server could tell a wrong secret from a right one, the
  /// next is tried: servers offer SCRAM to users whose passwords they keep in another form. Without
  /// TLS that never leads to a mechanism that reveals the password.
  ///
  /// What the server can do is known anew afterwards. A PREAUTH connection stays as it is.
  package func authenticate(
    _ credentials: SASLCredentials,
    deadline: Deadline? = nil
  ) async throws(IMAPError) {
    guard session.state == .notAuthenticated else { return }
    let deadline = deadline ?? .now + timeouts.command
    try await refreshCapabilities(deadline)
    let offered = capabilities
    let mechanisms = SASLMechanism.candidates(for: credentials, isSecure: isSecure) {
      offered.offersMechanism($0.rawValue)
    }
    try await logIn(mechanisms, credentials, deadline)
    try await refreshCapabilities(deadline)
  }

  /// Asks what the server can do, unless it said so since that last could change.
  func refreshCapabilities(_ deadline: Deadline) async throws(IMAPError) {
    guard session.capabilities == nil else { return }
    try await perform(.capability, deadline: deadline)
  }

  private func logIn(
    _ mechanisms: [SASLMechanism],
    _ credentials: SASLCredentials,
    _ deadline: Deadline
  ) async throws(IMAPError) {
    let sendsInitialResponse = capabilities.contains(.saslInitialResponse)
    let isLoginDisabled = capabilities.contains(.loginDisabled)
    var refusal: IMAPError?
    for mechanism in mechanisms {
      let attempt = try await attempt(mechanism, credentials, sendsInitialResponse, deadline)
      switch attempt {
      case .done: return
      case .refused(let error, let saysNothingOfSecret):
        refusal = error
        // Whoever turns us away does so by any mechanism.
        if case .turnedAway = error { throw error }
        guard saysNothingOfSecret else { throw error }
      }
    }
    if let refusal { throw refusal }
    guard let password = credentials.password else { throw .unsupported(Self.missing(credentials)) }
    guard !isLoginDisabled else { throw .loginDisabled }
    try await logIn(credentials.username, password, deadline)
  }

  private static func missing(_ credentials: SASLCredentials) -> String {
    let all = SASLMechanism.candidates(for: credentials, isSecure: true) { _ in true }
    return all.map { "AUTH=\($0.rawValue)" }.joined(separator: " or ")
  }

  /// LOGIN (RFC 3501 §6.2.3).
  private func logIn(
    _ username: String,
    _ password: String,
    _ deadline: Deadline
  ) async throws(IMAPError) {
    guard !username.utf8.contains(0), !password.utf8.contains(0) else {
      throw .authenticationFailed(response: "no NUL can be sent", code: nil)
    }
    let command = IMAPCommand.login(username: username, password: password)
    let statuses = try await pipeline([command], deadline: deadline)
    guard let status = statuses.first, status.condition == .ok else {
      throw refusal(statuses.first, [password])
    }
  }

  // MARK: - One mechanism

  private enum Attempt {
    case done
    case refused(IMAPError, saysNothingOfSecret: Bool)
  }

  private func attempt(
    _ mechanism: SASLMechanism,
    _ credentials: SASLCredentials,
    _ sendsInitialResponse: Bool,
    _ deadline: Deadline
  ) async throws(IMAPError) -> Attempt {
    try await begin(deadline)
    defer { end() }
    var dialogue: SASLDialogue
    do throws(SASLError) {
      dialogue = try await SASLDialogue(
        mechanism,
        credentials,
        service: service,
        sendsInitial: sendsInitialResponse,
        on: stream.loop
      )
    } catch {
      return .refused(Self.error(error), saysNothingOfSecret: true)
    }
    let tag = session.send(.authenticate(mechanism, initialResponse: dialogue.initial))
    let status = try await answerChallenges(of: tag, &dialogue, deadline)
    guard status.condition == .ok else {
      let error =
        dialogue.mistake.map { Self.error($0) } ?? refusal(status, credentials.secrets, dialogue)
      return .refused(error, saysNothingOfSecret: !dialogue.hasSentProof)
    }
    guard dialogue.isProven else {
      throw fail(.authenticationFailed(response: SASLDialogue.unproven, code: nil))
    }
    return .done
  }

  private func answerChallenges(
    of tag: IMAPSession.Tag,
    _ dialogue: inout SASLDialogue,
    _ deadline: Deadline
  ) async throws(IMAPError) -> StatusResponse {
    while true {
      switch try await nextEvent(deadline) {
      case .challenge(let challenge):
        guard dialogue.mistake == nil else {
          throw fail(.broken(reason: "the server asks on after AUTHENTICATE was given up"))
        }
        session.respond(await dialogue.answer(challenge))
      case .completed(let ended, let status):
        if ended == tag { return status }
      case .untagged(let response): note(response)
      case .greeting, .literal, .wantsLiteral, .idling: continue
      }
    }
  }

  // MARK: - Refusals

  private static func error(_ error: SASLError) -> IMAPError {
    .authenticationFailed(response: error.words, code: nil)
  }

  /// The server's refusal, in which it may have repeated what it was sent.
  private func refusal(
    _ status: StatusResponse?,
    _ secrets: [String],
    _ dialogue: SASLDialogue? = nil
  ) -> IMAPError {
    var text = status?.text ?? ""
    if let reported = dialogue?.errorStatus { text += text.isEmpty ? reported : " (\(reported))" }
    for secret in secrets where !secret.isEmpty { text = text.replacing(secret, with: "•••") }
    // AUTHENTICATE carries them in base64, alone or within a longer message.
    let words = text.split { !$0.isASCII || !($0.isLetter || $0.isNumber || "+/=".contains($0)) }
    for word in words where word.utf8.count >= 4 {
      guard let decoded = Base64.standard.decode(Array(word.utf8).span) else { continue }
      let spelled = String(decoding: decoded, as: UTF8.self)
      guard secrets.contains(where: { !$0.isEmpty && spelled.contains($0) }) else { continue }
      text = text.replacing(word, with: "•••")
    }
    if let refusal = status?.connectionRefusal { return .turnedAway(refusal, response: text) }
    return .authenticationFailed(response: text, code: status?.code)
  }
}
