import Model
import Net

/// Decides when a connection is made anew because it lists mailboxes that it will not open.
///
/// Dovecot goes on listing to a session what another client renamed while that session listed, and hides
/// from it what the mailbox is called now. A new session sees the truth, unless the same happens again; but
/// a mailbox may also be closed to the user for good: so each further try comes later than the one before.
struct UnopenedMailboxes {
  /// Those that the server would not open though the connection was new.
  private var known: Set<ID<Mailbox>> = []
  private var backoff: Backoff
  private var nextTry = Deadline.now

  init(first: Duration, longest: Duration) {
    backoff = Backoff(first: first, longest: longest)
  }

  /// Takes note of what a new connection would not open.
  mutating func begin(with unopened: Set<ID<Mailbox>>, at now: Deadline = .now) {
    if !unopened.isSubset(of: known) || unopened.isEmpty { backoff.reset() }
    known = unopened
    nextTry = now + backoff.next(spread: Double.random(in: 0...1))
  }

  /// Whether a new connection may open what this one would not.
  func asksForConnection(_ unopened: Set<ID<Mailbox>>, at now: Deadline = .now) -> Bool {
    !unopened.isSubset(of: known) || !unopened.isEmpty && now >= nextTry
  }
}
