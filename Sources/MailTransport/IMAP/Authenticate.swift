import MailProtocols
package import Net

extension IMAPClient {
  /// Logs in, by AUTHENTICATE PLAIN where the server offers it and by LOGIN else.
  ///
  /// What the server can do is known anew afterwards. A PREAUTH connection stays as it is.
  package func authenticate(
    username: String,
    password: String,
    deadline: Deadline? = nil
  ) async throws(IMAPError) {
    guard session.state == .notAuthenticated else { return }
    guard !username.utf8.contains(0), !password.utf8.contains(0) else {
      throw .authenticationFailed(response: "no NUL can be sent", code: nil)
    }
    let deadline = deadline ?? .now + timeouts.command
    try await refreshCapabilities(deadline)
    let command = try loginCommand(username, password)
    let statuses = try await pipeline([command], deadline: deadline)
    guard let status = statuses.first, status.condition == .ok else {
      throw refusal(statuses.first, password)
    }
    try await refreshCapabilities(deadline)
  }

  /// Asks what the server can do, unless it said so since that last could change.
  func refreshCapabilities(_ deadline: Deadline) async throws(IMAPError) {
    guard session.capabilities == nil else { return }
    try await perform(.capability, deadline: deadline)
  }

  private func loginCommand(
    _ username: String,
    _ password: String
  ) throws(IMAPError) -> IMAPCommand {
    if capabilities.offersMechanism("PLAIN") {
      return .authenticatePlain(
        username: username,
        password: password,
        initialResponse: capabilities.contains(.saslInitialResponse)
      )
    }
    guard !capabilities.contains(.loginDisabled) else { throw .loginDisabled }
    return .login(username: username, password: password)
  }

  /// The server's refusal, in which it may have repeated what it was sent.
  private func refusal(_ status: StatusResponse?, _ password: String) -> IMAPError {
    var text = status?.text ?? ""
    if !password.isEmpty { text = text.replacing(password, with: "•••") }
    // A server that is out of order is not a wrong password (RFC 5530).
    if case .other("UNAVAILABLE", _)? = status?.code {
      return .refused(command: "LOGIN", response: text, code: status?.code)
    }
    return .authenticationFailed(response: text, code: status?.code)
  }
}
