package import MailProtocols
package import Net

/// Those who want a connection to one server, in line, and what the server allows.
///
/// A value that is told what happens and when, and answers whether whoever asks may begin:
///
///     join → ask … ask → begun → established            → ended
///                              → (refused, given up)    → ended
///
/// Only the first in line is let in, so nobody overtakes. Logins are bounded in number at once and in a
/// second; connections in number. A server that turns us away before a login is left alone for a while
/// that doubles, and after it gets half as many logins at once, one more with each success. One that says
/// that there are too many connections keeps those it has.
package struct HostLine {
  /// A place in line.
  package struct Ticket: Hashable {
    let use: ConnectionUse
    let number: Int
  }

  /// What the first in line is told.
  package enum Answer: Equatable {
    /// It may begin now.
    case begin
    /// It asks again when it is woken, or at this instant.
    case wait(until: Deadline?)
    /// It waits until somebody else's connection ends, or until this instant, when one more may be tried.
    case full(until: Deadline?)
  }

  let limits: ConnectionLimits
  private var line: [Ticket] = []
  private var lastNumber = 0
  /// Connections that are being made or in use.
  package private(set) var open = 0
  /// Those of them that are not logged in yet.
  package private(set) var loggingIn = 0
  private var most: LoweredLimit
  private var loginsAtOnce: Int
  private var nextLogin: Deadline
  private var restsUntil: Deadline
  private var rests = 0

  /// A line at which nobody stands.
  package init(_ limits: ConnectionLimits, now: Deadline) {
    self.limits = limits
    most = LoweredLimit(limits.perHost)
    loginsAtOnce = limits.loginsAtOnce
    // As after a quiet time: the first may begin together.
    nextLogin = now - .seconds(limits.loginsAtOnce)
    restsUntil = now
  }

  /// Connections that are logged in.
  private var established: Int { open - loggingIn }

  /// Who is asked next.
  package var first: Ticket? { line.first }

  /// Whether somebody waits for a connection to end.
  package var isFull: Bool { !line.isEmpty && open >= most.value }

  /// Whether somebody waits for a connection to end who has more to do than to watch.
  package var isCrowded: Bool { isFull && line.first.map { $0.use < .watching } ?? false }

  /// Whether nothing of the server is worth remembering: nobody has or wants a connection, and what it
  /// refused is long past.
  package func isForgettable(at now: Deadline) -> Bool {
    guard line.isEmpty, open == 0, most.isForgettable(limits, at: now) else { return false }
    return rests == 0 || restsUntil + limits.longestRest <= now
  }

  /// How many connections there may be at present.
  package var limit: Int { most.value }

  /// A place at the end of the line of those who want a connection as urgently.
  package mutating func join(_ use: ConnectionUse) -> Ticket {
    lastNumber += 1
    let ticket = Ticket(use: use, number: lastNumber)
    let place = line.firstIndex { $0.use > use } ?? line.count
    line.insert(ticket, at: place)
    return ticket
  }

  /// Gives a place up.
  package mutating func leave(_ ticket: Ticket) { line.removeAll { $0 == ticket } }

  /// Whether the holder of `ticket` may begin; it has left the line then.
  package mutating func ask(_ ticket: Ticket, now: Deadline) -> Answer {
    most.recover(limits.perHost, limits, now: now)
    let isFull = open >= most.value
    guard line.first == ticket else { return isFull ? .full(until: nil) : .wait(until: nil) }
    guard !isFull else { return .full(until: most.raiseAt) }
    guard loggingIn < loginsAtOnce else { return .wait(until: nil) }
    let start = max(restsUntil, nextLogin)
    guard start <= now else { return .wait(until: start) }
    line.removeFirst()
    open += 1
    loggingIn += 1
    // After a quiet time as many may begin together as may log in at once.
    let pause = Duration.seconds(1) / max(limits.loginsPerSecond, 1)
    nextLogin = max(nextLogin, now - pause * (limits.loginsAtOnce - 1)) + pause
    return .begin
  }

  /// A login succeeded.
  package mutating func establish() {
    loggingIn -= 1
    most.admit(established: established)
    loginsAtOnce = min(limits.loginsAtOnce, loginsAtOnce + 1)
    rests = 0
  }

  /// The server turned us away before it knew for whom we come.
  package mutating func turnAway(_ refusal: ConnectionRefusal, now: Deadline, spread: Double) {
    if refusal == .tooMany {
      most.refuse(established: established, limits, now: now, spread: spread)
    }
    // Those that began together are refused together: they say it once.
    guard restsUntil <= now else { return }
    let rest = Backoff.delay(after: rests, first: limits.firstRest, longest: limits.longestRest)
    rests += 1
    restsUntil = now + rest * (1 + 0.2 * spread)
    loginsAtOnce = max(1, loginsAtOnce / 2)
  }

  /// A connection ended, or was never made.
  package mutating func end(wasEstablished: Bool) {
    open -= 1
    if !wasEstablished { loggingIn -= 1 }
  }
}
