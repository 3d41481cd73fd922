import Engine
import MailProtocols
import Model
import Net
import Testing

@Suite("The line before a mail server")
struct HostLineTests {
  private let start = Deadline.now

  private func line(_ change: (inout ConnectionLimits) -> Void = { _ in }) -> HostLine {
    var limits = ConnectionLimits()
    limits.loginsPerSecond = 10
    limits.loginsAtOnce = 4
    limits.firstRest = .seconds(2)
    limits.firstRecovery = .seconds(100)
    change(&limits)
    return HostLine(limits, now: start)
  }

  /// Lets as many in as may begin at `now`, at most `count`.
  private func begin(_ line: inout HostLine, _ count: Int, at now: Deadline) -> Int {
    for begun in 0..<count {
      let ticket = line.join(.commands)
      guard line.ask(ticket, now: now) == .begin else {
        line.leave(ticket)
        return begun
      }
    }
    return count
  }

  @Test func `logins are bounded at once and in a second`() {
    var line = line()
    #expect(begin(&line, 10, at: start) == 4)
    for _ in 0..<4 { line.establish() }
    #expect(line.loggingIn == 0 && line.open == 4)
    // The burst is used up: from here on ten a second.
    let next = line.join(.commands)
    #expect(line.ask(next, now: start) == .wait(until: start + .milliseconds(100)))
    #expect(line.ask(next, now: start + .milliseconds(100)) == .begin)
    // After a quiet time there is a burst again.
    #expect(begin(&line, 10, at: start + .seconds(60)) == 3)
  }

  @Test func `who is more urgent is let in first, and nobody overtakes`() {
    var line = line { $0.perHost = 1 }
    let commands = line.join(.commands)
    let watching = line.join(.watching)
    let body = line.join(.bodies)
    let later = line.join(.commands)
    #expect(line.first == body)
    #expect(line.ask(commands, now: start) == .wait(until: nil))
    #expect(line.ask(body, now: start) == .begin)
    #expect(line.first == commands && line.isCrowded)
    #expect(line.ask(commands, now: start + .seconds(1)) == .full(until: nil))
    line.end(wasEstablished: false)
    #expect(line.ask(commands, now: start + .seconds(1)) == .begin)
    line.leave(later)
    #expect(line.first == watching)
  }

  @Test func `a server that has too many keeps those it has, and one more is tried later`() {
    var line = line { $0.perHost = 8 }
    #expect(begin(&line, 3, at: start) == 3)
    for _ in 0..<2 { line.establish() }
    line.turnAway(.tooMany, now: start, spread: 0)
    line.end(wasEstablished: false)
    #expect(line.limit == 2 && line.open == 2)
    let next = line.join(.commands)
    let recovery = start + .seconds(100)
    #expect(line.ask(next, now: start + .seconds(10)) == .full(until: recovery))
    #expect(line.ask(next, now: recovery) == .begin)
    #expect(line.limit == 3)
    // Refused again: it is left alone for twice as long.
    line.turnAway(.tooMany, now: recovery, spread: 0)
    line.end(wasEstablished: false)
    let again = line.join(.commands)
    #expect(
      line.ask(again, now: recovery + .seconds(150)) == .full(until: recovery + .seconds(200))
    )
    // Those that end make room at once.
    line.end(wasEstablished: true)
    #expect(line.ask(again, now: recovery + .seconds(150)) == .begin)
  }

  @Test func `a limit that was a mistake is forgotten in time`() {
    var line = line { $0.perHost = 100 }
    line.turnAway(.tooMany, now: start, spread: 0)
    #expect(line.limit == 1)
    var now = start
    for _ in 0..<30 {
      now += .seconds(1000)
      let ticket = line.join(.commands)
      _ = line.ask(ticket, now: now)
      line.leave(ticket)
    }
    #expect(line.limit == 100)
  }

  @Test func `a server that is out of order rests, each time longer, and wakes gently`() {
    var line = line()
    #expect(begin(&line, 4, at: start) == 4)
    // All four are turned away: that is one refusal.
    for _ in 0..<4 {
      line.turnAway(.later, now: start, spread: 0)
      line.end(wasEstablished: false)
    }
    #expect(line.limit == ConnectionLimits().perHost)
    let ticket = line.join(.commands)
    #expect(line.ask(ticket, now: start + .seconds(1)) == .wait(until: start + .seconds(2)))
    let second = start + .seconds(2)
    #expect(line.ask(ticket, now: second) == .begin)
    #expect(begin(&line, 4, at: second) == 1)
    line.turnAway(.later, now: second, spread: 0)
    for _ in 0..<2 { line.end(wasEstablished: false) }
    let third = line.join(.commands)
    #expect(line.ask(third, now: second + .seconds(1)) == .wait(until: second + .seconds(4)))
    // Success widens it again by one each time.
    var now = second + .seconds(4)
    #expect(line.ask(third, now: now) == .begin)
    #expect(begin(&line, 4, at: now) == 0)
    line.establish()
    now += .seconds(60)
    #expect(begin(&line, 4, at: now) == 2)
  }

  @Test func `of an account's few connections one is for commands and one watches`() {
    var limits = ConnectionLimits()
    limits.perAccount = 4
    limits.firstRecovery = .seconds(100)
    var account = AccountConnections(limits)
    func begin(_ use: ConnectionUse, after seconds: Int = 0) -> Bool {
      account.begin(use, limits, now: start + .seconds(seconds))
    }
    #expect(begin(.commands) && begin(.bodies) && begin(.bodies))
    #expect(!begin(.bodies))
    #expect(begin(.watching))
    for _ in 0..<3 { account.establish() }
    account.refuse("[LIMIT]", limits, now: start, spread: 0)
    account.end(.watching, wasEstablished: false)
    #expect(account.limit == 3 && account.isLowered && account.refusal == "[LIMIT]")
    for use in [ConnectionUse.bodies, .bodies] { account.end(use, wasEstablished: true) }
    // A body leaves room for the one that watches.
    #expect(begin(.bodies) && !begin(.bodies))
    #expect(begin(.watching) && !begin(.bodies))
    #expect(begin(.bodies, after: 101))
    #expect(account.limit == 4 && !account.isLowered)
  }

  @Test func `a refusal is forgotten in time where nobody comes back`() {
    var line = line { $0.longestRest = .seconds(20) }
    #expect(line.isForgettable(at: start))
    #expect(begin(&line, 1, at: start) == 1)
    #expect(!line.isForgettable(at: start + .seconds(1_000_000)))
    line.turnAway(.later, now: start, spread: 0)
    line.end(wasEstablished: false)
    #expect(!line.isForgettable(at: start + .seconds(21)))
    #expect(line.isForgettable(at: start + .seconds(22)))
    #expect(begin(&line, 1, at: start + .seconds(22)) == 1)
    line.turnAway(.tooMany, now: start + .seconds(22), spread: 0)
    line.end(wasEstablished: false)
    #expect(!line.isForgettable(at: start + .seconds(3600)))
    #expect(line.isForgettable(at: start + .seconds(3 * 3600)))
  }

  @Test func `what a server refuses one user holds up nobody else, and is forgotten, too`()
    async throws
  {
    let gate = ConnectionGate(ConnectionLimits())
    let settings = BackendSettings(
      kind: .imap,
      host: "mail.test.invalid",
      port: 993,
      security: .implicit,
      authType: .password,
      username: "alice",
      allowCleartext: false
    )
    let group = try EventLoopGroup(loopCount: 1)
    let result = await Task(executorPreference: group.loops[0]) {
      let alice = ID<Account>(1)
      for refusal in [ConnectionRefusal.later, .tooMany, .later] {
        let lease = try await gate.lease(settings, for: alice, .commands)
        lease.turnAway(refusal, "NO [UNAVAILABLE]", isKnown: true)
        lease.end()
      }
      // Nor what it refuses one whose login is only tried.
      let trial = try await gate.lease(settings, for: nil, .commands)
      trial.turnAway(.tooMany, "NO [LIMIT]", isKnown: true)
      trial.end()
      // Were it the host's, this would wait for longer than there is time.
      let late = Deadline.now
      let lease = try await gate.lease(settings, for: ID<Account>(2), .commands, by: late)
      lease.establish()
      #expect(gate.remembered == (1, 2))
      lease.end()
      #expect(gate.remembered == (0, 1))
      gate.forget(at: .now + .seconds(3 * 3600))
      #expect(gate.remembered == (0, 0))
      let other = try await gate.lease(settings, for: nil, .commands)
      other.turnAway(.later, "BYE", isKnown: false)
      other.end()
      #expect(gate.remembered == (1, 0))
      gate.forget(at: .now)
      #expect(gate.remembered == (1, 0))
      gate.forget(at: .now + .seconds(600))
      #expect(gate.remembered == (0, 0))
    }.result
    await group.shutdown()
    try result.get()
  }
}
