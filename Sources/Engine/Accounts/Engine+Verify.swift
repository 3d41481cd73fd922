import MailProtocols
import MailTransport
package import Model
import Net

/// One step of trying settings out.
package struct VerifyStep: Sendable {
  /// `incoming`, `outgoing` or `sieve`.
  package var backend: String
  /// `dns`, `tcp`, `tls`, `greeting`, `auth` or `capability`.
  package var step: String
  package var succeeded: Bool
  package var message: String?
  /// The server's own words.
  package var response: String?
  package var code: ErrorCode?
}

extension Engine {
  /// Tries settings without storing them: each step that was reached, in order; the last one may have failed.
  package func verify(_ draft: AccountDraft) async throws(ServiceError) -> [VerifyStep] {
    var steps: [VerifyStep] =
      switch draft.incoming.kind {
      case .local: []
      case .pop3: await verifyPOP3(draft.incoming, draft.incomingSecret)
      case .imap, .smtp, .managesieve: await verifyIncoming(draft.incoming, draft.incomingSecret)
      }
    if let outgoing = draft.outgoing {
      steps += await verifyOutgoing(outgoing, draft.outgoingSecret)
    }
    if let sieve = draft.sieve {
      steps += await verifySieve(
        sieve.backend(besides: draft.incoming),
        sieve.hasOwnLogin ? draft.sieveSecret : draft.incomingSecret
      )
    }
    return steps
  }

  private func verifyIncoming(_ settings: BackendSettings, _ secret: Secret?) async -> [VerifyStep]
  {
    var ladder = VerifyLadder(backend: "incoming", hasTLS: settings.security != .none)
    do {
      let (client, lease) = try await services.backends.greetedIMAP(settings)
      defer { client.close() }
      ladder.pass(through: "greeting")
      try await services.backends.authenticate(client, settings, secret: secret, lease)
      // Else all that follows would keep others from logging in.
      lease.establish()
      ladder.pass(through: "auth")
      _ = try await client.list()
      ladder.pass(through: "capability")
    } catch let error as IMAPError {
      ladder.fail(ServiceError(error, host: settings.host))
    } catch let error as ServiceError {
      ladder.fail(error)
    } catch {
      ladder.fail(
        ServiceError(.internalError, "An internal error occurred.", cause: "\(error)")
      )
    }
    return ladder.steps
  }

  private func verifyPOP3(_ settings: BackendSettings, _ secret: Secret?) async -> [VerifyStep] {
    var ladder = VerifyLadder(backend: "incoming", hasTLS: settings.security != .none)
    do {
      let (client, lease) = try await services.backends.greetedPOP3(settings)
      defer { client.close() }
      ladder.pass(through: "greeting")
      try await services.backends.authenticate(client, settings, secret: secret)
      lease.establish()
      ladder.pass(through: "auth")
      _ = try await client.status()
      ladder.pass(through: "capability")
      // Nothing was asked for that a server could delete for it, and the mailbox is free at once.
      _ = await client.quit()
    } catch let error as POP3Error {
      ladder.fail(ServiceError(error, host: settings.host))
    } catch let error as ServiceError {
      ladder.fail(error)
    } catch {
      ladder.fail(
        ServiceError(.internalError, "An internal error occurred.", cause: "\(error)")
      )
    }
    return ladder.steps
  }

  private func verifyOutgoing(_ settings: BackendSettings, _ secret: Secret?) async -> [VerifyStep]
  {
    var ladder = VerifyLadder(backend: "outgoing", hasTLS: settings.security != .none)
    do {
      let client = try await services.backends.greetedSMTP(settings)
      defer { client.close() }
      ladder.pass(through: "greeting")
      if settings.authType == .password, let username = settings.username {
        try await client.authenticate(
          username: username,
          password: secret?.value ?? "",
          deadline: .after(services.configuration.connectTimeout)
        )
      }
      ladder.pass(through: "capability")
      await client.quit()
    } catch let error as SMTPError {
      ladder.fail(ServiceError(error, host: settings.host))
    } catch let error as ServiceError {
      ladder.fail(error)
    } catch let error as NetError {
      ladder.fail(
        ServiceError(error, backend: BackendFailure(protocolName: "smtp", host: settings.host))
      )
    } catch {
      ladder.fail(
        ServiceError(.internalError, "An internal error occurred.", cause: "\(error)")
      )
    }
    return ladder.steps
  }
}

extension Engine {
  private func verifySieve(_ settings: BackendSettings, _ secret: Secret?) async -> [VerifyStep] {
    var ladder = VerifyLadder(backend: "sieve", hasTLS: settings.security != .none)
    do throws(ServiceError) {
      let (client, lease) = try await services.backends.greetedSieve(settings)
      defer { client.close() }
      ladder.pass(through: "greeting")
      try await services.backends.authenticate(client, settings, secret: secret)
      lease.establish()
      ladder.pass(through: "auth")
      do throws(ManageSieveError) {
        _ = try await client.listScripts()
      } catch {
        throw ServiceError(error, host: settings.host)
      }
      ladder.pass(through: "capability")
      await client.logout()
    } catch {
      ladder.fail(error)
    }
    return ladder.steps
  }
}

/// The steps in their order, and how far they were climbed.
private struct VerifyLadder {
  private let backend: String
  private var left: [String]
  private(set) var steps: [VerifyStep] = []

  init(backend: String, hasTLS: Bool) {
    self.backend = backend
    left = ["dns", "tcp"] + (hasTLS ? ["tls"] : []) + ["greeting", "auth", "capability"]
  }

  /// Every step up to `step` was passed.
  mutating func pass(through step: String) {
    while let next = left.first {
      left.removeFirst()
      steps.append(VerifyStep(backend: backend, step: next, succeeded: true))
      if next == step { return }
    }
  }

  /// The step that `error` belongs to failed; those before it were passed.
  mutating func fail(_ error: ServiceError) {
    let step: String
    switch error.code {
    case .backendUnresolved, .hostNotAllowed: step = "dns"
    case .backendUnreachable: step = "tcp"
    case .backendTLSFailed: step = "tls"
    case .backendAuthenticationFailed: step = "auth"
    default:
      step =
        left.first.map { ["dns", "tcp", "tls"].contains($0) ? "greeting" : $0 } ?? "capability"
    }
    while let next = left.first, next != step, left.contains(step) {
      left.removeFirst()
      steps.append(VerifyStep(backend: backend, step: next, succeeded: true))
    }
    steps.append(
      VerifyStep(
        backend: backend,
        step: step,
        succeeded: false,
        message: error.message,
        response: error.backend?.response,
        code: error.code
      )
    )
  }
}
