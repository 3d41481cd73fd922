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
  /// Nil where bodies are fetched when they are asked for.
  private let keeper: CopyKeeper?

  init(_ account: Account, on loop: EventLoop, _ services: EngineServices) {
    self.account = account.id
    self.loop = loop
    self.services = services
    worker = AccountWorker(account.id, known: account, on: loop, services)
    keeper = account.mode == .online ? nil : CopyKeeper(worker, account)
  }

  var signal: LoopSignal { worker.signal }
  var connection: AccountConnection { worker.record.current }
  var store: Store { services.store }
  /// Confined to `loop`.
  var bodies: BodyPool { worker.bodies }

  func run() async {
    if let keeper { await run(besides: keeper) } else { await worker.run() }
  }

  /// On its own, since its frame would stand below each of thousands of workers that wait.
  @inline(never)
  private func run(besides keeper: CopyKeeper) async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask(executorPreference: loop) { await keeper.run() }
      await worker.run()
      group.cancelAll()
    }
  }

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
