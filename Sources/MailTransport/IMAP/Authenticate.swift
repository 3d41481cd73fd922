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
    for (index, mechanism) in mechanisms.enumerated() {
      // The first is tried as it is: the caller chose to log in without TLS where it reveals.
      guard index == 0 || isSecure || !mechanism.revealsSecret else { break }
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
    var exchange: SASLExchange
    var initial: [UInt8]?
    do throws(SASLError) {
      exchange = try SASLExchange(mechanism, credentials, service: service)
      if sendsInitialResponse, mechanism.isClientFirst {
        initial = try await respond(to: nil, &exchange)
      }
    } catch {
      return .refused(Self.error(error), saysNothingOfSecret: true)
    }
    let tag = session.send(.authenticate(mechanism, initialResponse: initial))
    let (status, failure) = try await answerChallenges(of: tag, &exchange, deadline)
    guard status.condition == .ok else {
      let error = failure.map { Self.error($0) } ?? refusal(status, credentials.secrets, exchange)
      return .refused(error, saysNothingOfSecret: !exchange.hasSentProof)
    }
    // Whoever says OK without the proof that the mechanism has is not the server.
    guard failure == nil, exchange.isComplete || !mechanism.provesServer else {
      throw fail(.authenticationFailed(response: "the server has not proven itself", code: nil))
    }
    return .done
  }

  private func answerChallenges(
    of tag: IMAPSession.Tag,
    _ exchange: inout SASLExchange,
    _ deadline: Deadline
  ) async throws(IMAPError) -> (StatusResponse, SASLError?) {
    var failure: SASLError?
    while true {
      switch try await nextEvent(deadline) {
      case .challenge(let challenge):
        guard failure == nil else {
          throw fail(.broken(reason: "the server asks on after AUTHENTICATE was given up"))
        }
        do throws(SASLError) {
          session.respond(try await respond(to: challenge, &exchange))
        } catch {
          failure = error
          session.respond(nil)
        }
      case .completed(let ended, let status):
        if ended == tag { return (status, failure) }
      case .untagged(let response): note(response)
      case .greeting, .literal, .wantsLiteral, .idling: continue
      }
    }
  }

  /// A step of `exchange`, on a thread that may block where it may.
  private func respond(
    to challenge: [UInt8]?,
    _ exchange: inout SASLExchange
  ) async throws(SASLError) -> [UInt8] {
    let (response, after) = try await exchange.response(to: challenge, on: stream.loop)
    exchange = after
    return response
  }

  // MARK: - Refusals

  private static func error(_ error: SASLError) -> IMAPError {
    .authenticationFailed(response: error.words, code: nil)
  }

  /// The server's refusal, in which it may have repeated what it was sent.
  private func refusal(
    _ status: StatusResponse?,
    _ secrets: [String],
    _ exchange: SASLExchange? = nil
  ) -> IMAPError {
    var text = status?.text ?? ""
    if let reported = exchange?.errorStatus { text += text.isEmpty ? reported : " (\(reported))" }
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
