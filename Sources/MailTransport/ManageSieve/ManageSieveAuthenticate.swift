import Bytes
package import MailProtocols
package import Net

extension ManageSieveClient {
  /// Logs in by the best SASL mechanism that the server offers and `credentials` serve, and asks again what the server
  /// can do.
  ///
  /// The secret is tried by a further mechanism only where one was called unfit, or was refused before the server could
  /// tell a wrong secret from a right one: servers lock accounts after a few failures.
  package func authenticate(
    _ credentials: SASLCredentials,
    deadline: Deadline
  ) async throws(ManageSieveError) {
    let offered = capabilities.mechanisms
    let mechanisms = SASLMechanism.candidates(for: credentials, isSecure: isSecure) {
      offered.contains($0.rawValue)
    }
    var refusal: ManageSieveError?
    for mechanism in mechanisms {
      guard let (error, isFinal) = try await attempt(mechanism, credentials, deadline) else {
        let answer = try await answer(to: .capability, deadline: deadline)
        guard answer.status == .ok else { throw .refused(command: "CAPABILITY", answer) }
        return
      }
      refusal = error
      if isFinal { break }
    }
    throw refusal ?? .unsupported("SASL for these credentials, but \(offered)")
  }

  /// One mechanism: nil where it led in, else the refusal, and whether no other mechanism is worth a try.
  private func attempt(
    _ mechanism: SASLMechanism,
    _ credentials: SASLCredentials,
    _ deadline: Deadline
  ) async throws(ManageSieveError) -> (ManageSieveError, isFinal: Bool)? {
    try begin()
    defer { end() }
    var dialogue: SASLDialogue
    do throws(SASLError) {
      dialogue = try await SASLDialogue(
        mechanism,
        credentials,
        service: service,
        sendsInitial: true,
        on: stream.loop
      )
    } catch {
      return (.authenticationFailed(response: error.words), false)
    }
    session.send(
      .authenticate(
        mechanism,
        initialResponse: dialogue.initial,
        secrets: credentials.secrets
      )
    )
    while true {
      switch try await event(deadline) {
      case .challenge(let challenge):
        guard dialogue.mistake == nil else {
          throw fail(.broken(reason: "the server asks on after the login was given up"))
        }
        session.respond(await dialogue.answer(challenge))
      case .completed(let answer): return try await finish(answer, &dialogue)
      default: throw astray()
      }
    }
  }

  private func finish(
    _ answer: ManageSieveAnswer,
    _ dialogue: inout SASLDialogue
  ) async throws(ManageSieveError) -> (ManageSieveError, isFinal: Bool)? {
    switch answer.status {
    case .bye: throw fail(ManageSieveError(bye: answer))
    case .ok:
      // The server's last word may stand in the code of its OK (RFC 5804 §2.1).
      if let code = answer.code, code.name == "SASL", !dialogue.isProven {
        let text = code.argument ?? []
        let data = Base64.standard.decode(text.span)
        _ = await dialogue.answer(data)
      }
      guard dialogue.isProven else {
        throw fail(.authenticationFailed(response: SASLDialogue.unproven))
      }
      return nil
    case .no:
      if let mistake = dialogue.mistake {
        return (.authenticationFailed(response: mistake.words), dialogue.hasSentProof)
      }
      if answer.code?.isKind(of: "TRYLATER") == true {
        return (.turnedAway(response: answer.text), true)
      }
      let unfit = ["AUTH-TOO-WEAK", "ENCRYPT-NEEDED", "TRANSITION-NEEDED"]
      let isUnfit = unfit.contains { answer.code?.isKind(of: $0) == true }
      let words = [answer.text, dialogue.errorStatus.map { "(\($0))" } ?? ""]
      return (
        .authenticationFailed(response: words.filter { !$0.isEmpty }.joined(separator: " ")),
        isFinal: dialogue.hasSentProof && !isUnfit
      )
    }
  }
}
