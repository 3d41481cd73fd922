import MailProtocols
import MailTransport
import Model
import Net
import Store

/// A few connections of one account that only read bodies, so that a long download delays nothing else.
///
/// Confined to the account's loop. A reader takes a connection for as long as it reads; it goes back
/// unless it broke. Whoever finds none free waits in line.
final class BodyPool: @unchecked Sendable {  // Confined to `loop`; every method runs on it.
  private let account: ID<Account>
  private let loop: EventLoop
  private let services: EngineServices
  private var idle: [(client: IMAPClient, since: Deadline)] = []
  private var open = 0
  private var waiters: [(signal: LoopSignal, deadline: Deadline)] = []
  private var isClosed = false

  init(_ account: ID<Account>, on loop: EventLoop, _ services: EngineServices) {
    self.account = account
    self.loop = loop
    self.services = services
  }

  private var configuration: EngineConfiguration { services.configuration }

  /// Runs `body` with a connection that nobody else uses meanwhile.
  func withClient<R>(_ body: (IMAPClient) async throws -> R) async throws -> R {
    let client = try await take()
    do {
      let result = try await body(client)
      giveBack(client)
      return result
    } catch {
      if let error = error as? IMAPError, !error.hasBrokenConnection {
        giveBack(client)
      } else {
        // What is still to come of a body that nobody reads any more would have to be read first.
        drop(client)
      }
      throw error
    }
  }

  /// Closes what is idle, and what is lent as soon as it comes back; whoever waits gets an error.
  func close() {
    isClosed = true
    for item in idle { item.client.close() }
    open -= idle.count
    idle = []
    for waiter in waiters { waiter.signal.notify(.everything) }
    waiters = []
  }

  /// Closes what nobody has read with for a while.
  func trim(now: Deadline = .now) {
    let kept = idle.filter { $0.since + configuration.bodyIdle > now && $0.client.isUsable }
    for item in idle where !kept.contains(where: { $0.client === item.client }) {
      item.client.close()
      open -= 1
    }
    idle = kept
  }

  private func take() async throws -> IMAPClient {
    let deadline = Deadline.now + configuration.bodyWait
    while true {
      guard !isClosed else {
        throw ServiceError(.unavailable, "The account is closing.", isRetryable: true)
      }
      while let item = idle.popLast() {
        if item.client.isUsable { return item.client }
        open -= 1
      }
      if open < configuration.bodyConnections { return try await connect() }
      try await wait(until: deadline)
    }
  }

  private func connect() async throws -> IMAPClient {
    open += 1
    do {
      guard let record = try await services.store.account(account) else {
        throw ServiceError.notFound("account")
      }
      let secrets = try await services.store.secrets(of: account)
      return try await services.backends.imap(record.incoming, secret: secrets.incoming)
    } catch {
      open -= 1
      wakeNext()
      throw error
    }
  }

  private func wait(until deadline: Deadline) async throws {
    guard waiters.count < configuration.bodyWaiters else {
      throw ServiceError(
        .tooManyRequests,
        "Too many bodies of this account are being read.",
        isRetryable: true,
        retryAfter: 5
      )
    }
    let signal = LoopSignal()
    waiters.append((signal, deadline))
    _ = await signal.wait(until: deadline, on: loop)
    let wasChosen = !waiters.contains { $0.signal === signal }
    waiters.removeAll { $0.signal === signal }
    // Whoever goes away though a connection was meant for it leaves that to the next in line.
    if wasChosen, Task.isCancelled || deadline <= .now { wakeNext() }
    if Task.isCancelled { throw CancellationError() }
    guard deadline > .now else {
      throw ServiceError(
        .unavailable,
        "All connections for bodies of this account are busy.",
        isRetryable: true,
        retryAfter: 5
      )
    }
  }

  private func giveBack(_ client: IMAPClient) {
    guard client.isUsable, !isClosed else { return drop(client) }
    idle.append((client, .now))
    wakeNext()
    _ = loop.schedule(at: .now + configuration.bodyIdle + .seconds(1)) { [weak self] in
      self?.trim()
    }
  }

  private func drop(_ client: IMAPClient) {
    client.close()
    open -= 1
    wakeNext()
  }

  private func wakeNext() {
    guard !waiters.isEmpty else { return }
    waiters.removeFirst().signal.notify(.everything)
  }
}
