import MailProtocols
import MailTransport
import Model
import Net
import Store

/// A few connections of one account that only read bodies, so that a long download delays nothing else.
///
/// Confined to the account's loop. A reader takes a connection for as long as it reads; it goes back
/// unless it broke. Whoever finds none free waits in line. Where the server lets the account have no
/// connection for bodies, the account's worker lends its own between two things that it does.
final class BodyPool: @unchecked Sendable {  // Confined to `loop`; every method runs on it.
  private let account: ID<Account>
  private let loop: EventLoop
  private let services: EngineServices
  private var idle: [(client: IMAPClient, since: Deadline)] = []
  private var open = 0
  private var waiters: [(signal: LoopSignal, deadline: Deadline)] = []
  private var isClosed = false
  /// The connection for commands, while it is lent.
  private var borrowed: IMAPClient?
  /// Whether no connection of our own could be had.
  private var isLimited = false
  /// Those who were woken from the line and did not look yet.
  private var called = 0
  /// Wakes the worker, whose connection may be wanted.
  private let worker: LoopSignal
  private let returned = LoopSignal()

  init(
    _ account: ID<Account>,
    on loop: EventLoop,
    _ services: EngineServices,
    waking worker: LoopSignal
  ) {
    self.account = account
    self.loop = loop
    self.services = services
    self.worker = worker
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
      noteSilence(error)
      throw error
    }
  }

  /// Closes what is idle, and what is lent as soon as it comes back; whoever waits gets an error.
  func close() {
    isClosed = true
    for item in idle {
      item.client.close()
      forget(item.client)
    }
    idle = []
    for waiter in waiters { waiter.signal.notify(.everything) }
    waiters = []
    returned.notify(.bodies)
  }

  /// Closes what nobody has read with for a while.
  func trim(now: Deadline = .now) {
    let kept = idle.filter {
      $0.client === borrowed || ($0.since + configuration.bodyIdle > now && $0.client.isUsable)
    }
    for item in idle where !kept.contains(where: { $0.client === item.client }) {
      item.client.close()
      open -= 1
    }
    idle = kept
  }

  // MARK: - The worker's own connection

  /// Whether somebody waits whom only the connection for commands can serve.
  var wantsLoan: Bool { isLimited && open == 0 && !waiters.isEmpty && !isClosed }

  /// Lends `client` to those who can get no other, one after another, until nobody waits.
  ///
  /// - Returns: Whether it was lent: another mailbox may be selected then.
  @discardableResult
  func lend(_ client: IMAPClient) async -> Bool {
    guard wantsLoan, client.isUsable else { return false }
    borrowed = client
    open += 1
    idle.append((client, .now))
    wakeNext()
    while client.isUsable, !isClosed, !Task.isCancelled {
      let isBack = idle.contains { $0.client === client }
      if isBack, waiters.isEmpty, called == 0 { break }
      _ = await returned.wait(until: nil, on: loop)
    }
    idle.removeAll { $0.client === client }
    borrowed = nil
    open -= 1
    return true
  }

  /// Counts a connection no more; one that is lent is counted by its lender.
  private func forget(_ client: IMAPClient) {
    if client !== borrowed { open -= 1 }
  }

  private func take() async throws -> IMAPClient {
    let deadline = Deadline.now + configuration.bodyWait
    while true {
      guard !isClosed else {
        throw ServiceError(.unavailable, "The account is closing.", isRetryable: true)
      }
      while let item = idle.popLast() {
        if item.client.isUsable { return item.client }
        forget(item.client)
      }
      if open < configuration.bodyConnections, borrowed == nil, let client = try await connect() {
        return client
      }
      try await wait(until: deadline)
    }
  }

  /// A connection of the pool's own; nil where there may be none, but another can be waited for.
  private func connect() async throws -> IMAPClient? {
    open += 1
    do {
      guard let record = try await services.store.account(account) else {
        throw ServiceError.notFound("account")
      }
      let (store, account) = (services.store, account)
      let client = try await services.backends.imap(
        record.incoming,
        for: account,
        .bodies,
        by: .now + configuration.bodyWait,
        secret: { () throws(ServiceError) in try await store.secrets(of: account).incoming }
      )
      isLimited = false
      return client
    } catch let error as ServiceError where error.code == .backendLimited {
      open -= 1
      isLimited = true
      worker.notify([.bodies, .limits])
      return nil
    } catch {
      open -= 1
      wakeNext()
      noteSilence(error)
      throw error
    }
  }

  /// A server that did not answer here may not answer at all: the worker asks it, long before it would.
  private func noteSilence(_ error: any Error) {
    switch error {
    case IMAPError.timedOut: worker.notify(.suspicion)
    case let error as ServiceError where error.code == .backendTimedOut: worker.notify(.suspicion)
    default: break
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
    if wantsLoan { worker.notify(.bodies) }
    _ = await signal.wait(until: deadline, on: loop)
    let wasChosen = !waiters.contains { $0.signal === signal }
    if wasChosen, called > 0 { called -= 1 }
    waiters.removeAll { $0.signal === signal }
    // Whoever goes away though a connection was meant for it leaves that to the next in line.
    if wasChosen, Task.isCancelled || deadline <= .now {
      wakeNext()
      returned.notify(.bodies)
    }
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
    if client === borrowed { return returned.notify(.bodies) }
    _ = loop.schedule(at: .now + configuration.bodyIdle + .seconds(1)) { [weak self] in
      self?.trim()
    }
  }

  private func drop(_ client: IMAPClient) {
    client.close()
    forget(client)
    wakeNext()
    if client === borrowed { returned.notify(.bodies) }
  }

  private func wakeNext() {
    guard !waiters.isEmpty else { return }
    called += 1
    waiters.removeFirst().signal.notify(.everything)
  }
}
