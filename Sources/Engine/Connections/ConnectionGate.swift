package import MailProtocols
package import Model
package import Net
import Synchronization

/// Lets connections to mail servers be made: not too many at once, and no more than the servers take.
///
/// Whoever wants one waits in its server's line and gets a lease, which it ends with the connection. What
/// the server says to the attempt is told to the lease. The rules stand in `HostLine` and
/// `AccountConnections`; this holds their values under one lock, and wakes who is next.
package final class ConnectionGate: Sendable {
  /// A server, as the limits see it.
  struct Server: Hashable {
    let host: String
    let port: UInt16

    init(_ settings: BackendSettings) {
      host = settings.host.lowercased()
      port = settings.port
    }
  }

  private struct Host {
    var line: HostLine
    var signals: [HostLine.Ticket: LoopSignal] = [:]
  }

  private struct State {
    var hosts: [Server: Host] = [:]
    var accounts: [ID<Account>: AccountConnections] = [:]
    /// When what is not worth remembering was last looked for.
    var sweptAt = Deadline.now
  }

  /// How often those are looked for whom nobody connects to any more.
  private static let sweepInterval: Duration = .seconds(60)

  private let limits: ConnectionLimits
  private let state = Mutex(State())

  /// A gate at which nobody has stood yet.
  package init(_ limits: ConnectionLimits) { self.limits = limits }

  /// Waits until a connection may be made.
  ///
  /// `whenFull` is called once where the wait is for the end of somebody else's connection, which may take
  /// long: with what to say of it meanwhile.
  ///
  /// - Throws: `backend_limited` at once where the account has as many as it may have, for bodies where the
  ///   server has, and at `deadline`; `unavailable` where the task is cancelled.
  package func lease(
    _ settings: BackendSettings,
    for account: ID<Account>?,
    _ use: ConnectionUse,
    by deadline: Deadline? = nil,
    whenFull: (ServiceError) async -> Void = { _ in }
  ) async throws(ServiceError) -> ConnectionLease {
    guard let loop = EventLoop.current else {
      preconditionFailure("a connection is made by a task of a loop")
    }
    let server = Server(settings)
    if let account { try begin(use, account, settings) }
    let signal = LoopSignal()
    let ticket = join(server, use, signal)
    var hasTold = false
    while true {
      switch ask(ticket, server) {
      case .begin:
        return ConnectionLease(self, server, account, use)
      case .full where use == .bodies:
        // A caller waits, and may have another way.
        leave(ticket, server, account, use)
        throw Self.full(settings, limit(of: server))
      case .full where !hasTold:
        hasTold = true
        await whenFull(Self.full(settings, limit(of: server)))
      case .full(let instant), .wait(let instant):
        let wake = [instant, deadline].compactMap(\.self).min()
        _ = await signal.wait(until: wake, on: loop)
      }
      let isLate = deadline.map { $0 <= .now } ?? false
      guard Task.isCancelled || isLate else { continue }
      leave(ticket, server, account, use)
      throw Task.isCancelled
        ? ServiceError(.unavailable, "The request was cancelled.", isRetryable: true)
        : Self.full(settings, limit(of: server))
    }
  }

  /// Whether others wait for a connection to this server that it does not take.
  func isCrowded(_ settings: BackendSettings) -> Bool {
    state.withLock { $0.hosts[Server(settings)]?.line.isCrowded ?? false }
  }

  /// What to say of an account that is current, but with fewer connections than it would have.
  func limitation(of account: ID<Account>, _ settings: BackendSettings) -> ServiceError? {
    let server = Server(settings)
    let (own, all) = state.withLock { state -> (AccountConnections?, Int?) in
      let line = state.hosts[server]?.line
      return (state.accounts[account], line?.isFull == true ? line?.limit : nil)
    }
    if let all { return Self.full(settings, all) }
    guard let own, own.isLowered else { return nil }
    var failure = BackendFailure(protocolName: settings.kind.rawValue, host: settings.host)
    failure.response = own.refusal
    return ServiceError(
      .backendLimited,
      "\(settings.host) allows this account no further connection at present; "
        + "what it has (\(own.limit)) is shared by syncs and bodies.",
      isRetryable: true,
      backend: failure
    )
  }

  // MARK: - The account

  private func begin(
    _ use: ConnectionUse,
    _ account: ID<Account>,
    _ settings: BackendSettings
  ) throws(ServiceError) {
    let (mayBegin, limit) = state.withLock { state in
      var connections = state.accounts[account] ?? AccountConnections(limits)
      let mayBegin = connections.begin(use, limits, now: .now)
      state.accounts[account] = connections
      return (mayBegin, connections.limit)
    }
    guard !mayBegin else { return }
    throw ServiceError(
      .backendLimited,
      "The account has as many connections as it may have at present (\(limit)).",
      isRetryable: true,
      retryAfter: 5,
      backend: BackendFailure(protocolName: settings.kind.rawValue, host: settings.host)
    )
  }

  private static func full(_ settings: BackendSettings, _ limit: Int) -> ServiceError {
    ServiceError(
      .backendLimited,
      "\(settings.host) has as many connections as it may have at present (\(limit)); "
        + "this account waits for its turn.",
      isRetryable: true,
      retryAfter: 30,
      backend: BackendFailure(protocolName: settings.kind.rawValue, host: settings.host)
    )
  }

  // MARK: - The line

  private func limit(of server: Server) -> Int {
    state.withLock { $0.hosts[server]?.line.limit ?? limits.perHost }
  }

  private func join(_ server: Server, _ use: ConnectionUse, _ signal: LoopSignal)
    -> HostLine.Ticket
  {
    let now = Deadline.now
    if state.withLock({ now - $0.sweptAt >= Self.sweepInterval }) { forget(at: now) }
    return state.withLock { state in
      var host = state.hosts[server] ?? Host(line: HostLine(limits, now: .now))
      let ticket = host.line.join(use)
      host.signals[ticket] = signal
      state.hosts[server] = host
      return ticket
    }
  }

  /// Forgets servers and accounts whose refusals are long past, and that nobody came back to.
  package func forget(at now: Deadline) {
    state.withLock { [limits] state in
      state.sweptAt = now
      state.hosts = state.hosts.filter { !$0.value.line.isForgettable(at: now) }
      state.accounts = state.accounts.filter { !$0.value.isForgettable(limits, at: now) }
    }
  }

  /// How many servers and accounts are remembered.
  package var remembered: (servers: Int, accounts: Int) {
    state.withLock { ($0.hosts.count, $0.accounts.count) }
  }

  private func ask(_ ticket: HostLine.Ticket, _ server: Server) -> HostLine.Answer {
    change(server) { host in
      let answer = host.line.ask(ticket, now: .now)
      if answer == .begin { host.signals[ticket] = nil }
      return answer
    } ?? .wait(until: nil)
  }

  private func leave(
    _ ticket: HostLine.Ticket,
    _ server: Server,
    _ account: ID<Account>?,
    _ use: ConnectionUse
  ) {
    change(server) { host in
      host.line.leave(ticket)
      host.signals[ticket] = nil
    }
    if let account { change(account) { $0.end(use, wasEstablished: false) } }
  }

  /// Changes what is known of a server, and wakes whoever is first in line after it if that is another
  /// one, or may begin now.
  @discardableResult
  private func change<R>(_ server: Server, _ body: (inout Host) -> R) -> R? {
    let (result, next) = state.withLock { state -> (R?, LoopSignal?) in
      guard var host = state.hosts[server] else { return (nil, nil) }
      state.hosts[server] = nil  // Else the change would copy the line.
      let before = (host.line.first, host.line.open, host.line.loggingIn, host.line.limit)
      let result = body(&host)
      let after = (host.line.first, host.line.open, host.line.loggingIn, host.line.limit)
      let signal = before != after ? host.line.first.flatMap { host.signals[$0] } : nil
      if !host.line.isForgettable(at: .now) { state.hosts[server] = host }
      return (result, signal)
    }
    next?.notify(.operations)
    return result
  }

  private func change(_ account: ID<Account>, _ body: (inout AccountConnections) -> Void) {
    state.withLock { state in
      guard var connections = state.accounts[account] else { return }
      body(&connections)
      state.accounts[account] = connections.isForgettable(limits, at: .now) ? nil : connections
    }
  }

  // MARK: - What leases tell

  fileprivate func establish(_ lease: ConnectionLease) {
    change(lease.server) { $0.line.establish() }
    if let account = lease.account { change(account) { $0.establish() } }
  }

  fileprivate func turnAway(
    _ lease: ConnectionLease,
    _ refusal: ConnectionRefusal,
    _ response: String?,
    _ isKnown: Bool
  ) {
    let spread = Double.random(in: 0...1)
    if isKnown {
      // What a server says to one user it says of that user: others' logins do not wait for it, and the account's own backoff does. Who
      // only tries a login has none.
      guard refusal == .tooMany, let account = lease.account else { return }
      change(account) { [limits] in $0.refuse(response, limits, now: .now, spread: spread) }
    } else {
      change(lease.server) { $0.line.turnAway(refusal, now: .now, spread: spread) }
    }
  }

  fileprivate func end(_ lease: ConnectionLease, wasEstablished: Bool) {
    change(lease.server) { $0.line.end(wasEstablished: wasEstablished) }
    if let account = lease.account {
      change(account) { $0.end(lease.use, wasEstablished: wasEstablished) }
    }
  }
}

/// The right to one connection; it ends by `end`, or when nobody holds it any more.
package final class ConnectionLease: Sendable {
  fileprivate let server: ConnectionGate.Server
  fileprivate let account: ID<Account>?
  fileprivate let use: ConnectionUse
  private let gate: ConnectionGate
  private let phase = Mutex(Phase.loggingIn)

  private enum Phase {
    case loggingIn, established, ended
  }

  fileprivate init(
    _ gate: ConnectionGate,
    _ server: ConnectionGate.Server,
    _ account: ID<Account>?,
    _ use: ConnectionUse
  ) {
    self.gate = gate
    self.server = server
    self.account = account
    self.use = use
  }

  deinit { end() }

  /// The login succeeded.
  package func establish() {
    let isNew = phase.withLock { phase in
      guard phase == .loggingIn else { return false }
      phase = .established
      return true
    }
    if isNew { gate.establish(self) }
  }

  /// The server turned the connection away; `isKnown` where it had seen for which user.
  package func turnAway(_ refusal: ConnectionRefusal, _ response: String?, isKnown: Bool) {
    gate.turnAway(self, refusal, response, isKnown)
  }

  /// The connection is closed, or was never made.
  package func end() {
    let last = phase.withLock { phase in
      defer { phase = .ended }
      return phase
    }
    if last != .ended { gate.end(self, wasEstablished: last == .established) }
  }
}
