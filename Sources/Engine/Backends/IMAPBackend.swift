import MailTransport
import Model
import Net
import Store

/// An account whose mailboxes are on an IMAP server: a worker keeps it current, and a few connections read what only the server has.
final class IMAPBackend: MailBackend {
  let account: ID<Account>
  let loop: EventLoop
  let services: EngineServices
  private let worker: AccountWorker

  init(_ account: Account, on loop: EventLoop, _ services: EngineServices) {
    self.account = account.id
    self.loop = loop
    self.services = services
    worker = AccountWorker(account.id, known: account, on: loop, services)
  }

  var signal: LoopSignal { worker.signal }
  var connection: AccountConnection { worker.record.current }
  var store: Store { services.store }
  /// Confined to `loop`.
  var bodies: BodyPool { worker.bodies }

  func run() async { await worker.run() }

  /// Runs commands on a connection that nobody else uses meanwhile, on the account's loop; the caller goes on where it was.
  func withClient<R: Sendable>(
    _ body: @escaping @Sendable (IMAPClient) async throws -> R
  ) async throws -> R {
    let task = Task(executorPreference: loop) { [bodies] in try await bodies.withClient(body) }
    return try await withTaskCancellationHandler {
      try await task.value
    } onCancel: {
      task.cancel()
    }
  }
}
