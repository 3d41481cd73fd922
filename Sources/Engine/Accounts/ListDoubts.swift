import Model
import Net

/// Decides when a connection is made anew because of what it lists.
///
/// Dovecot goes on listing to a session what another client renamed while that session listed, and may
/// hide from it what the mailbox is called now, or list it by both names, or list nothing of what is there
/// since its index was made anew. A new session sees the truth, unless the same happens again. But a mailbox
/// may also be closed to the user for good, and a server may contradict itself for good: so each further try
/// comes later, or is the last.
struct ListDoubts {
  /// How often a list that contradicts itself makes for a new connection before it is believed.
  private static let mostContradictions = 6
  /// How many passes in a row may find a mailbox replaced since the list was read.
  private static let mostReplacements = 3

  /// Those that the server would not open, or did not list, though the connection was new.
  private(set) var doubtful: Set<ID<Mailbox>> = []
  private var backoff: Backoff
  private var nextTry = Deadline.now
  /// What a new doubt waits for, where lists go on differing: it comes with each connection then.
  private var newBackoff: Backoff
  private var nextNew = Deadline.now
  /// From when on lists did not differ for long enough.
  private var calmAt = Deadline.now
  private var contradictions = 0
  private var replacements = 0
  private let firstWait: Duration
  /// How long beyond the wait no doubt is to come for the next one to be the first again.
  private let calm: Duration
  /// Until when a doubt is held back; nil where none is.
  private(set) var heldUntil: Deadline?

  /// Waits from `first` to `longest`, for an account that is looked at each `interval`.
  init(first: Duration, longest: Duration, interval: Duration) {
    calm = .seconds(60) + interval * 2
    firstWait = first
    backoff = Backoff(first: first, longest: longest)
    newBackoff = Backoff(first: first, longest: longest)
  }

  /// Takes note of what a new connection would not open, or did not list.
  mutating func begin(with doubtful: Set<ID<Mailbox>>, at now: Deadline = .now) {
    if !doubtful.isSubset(of: self.doubtful) || doubtful.isEmpty { backoff.reset() }
    self.doubtful = doubtful
    nextTry = now + backoff.next(spread: Double.random(in: 0...1))
  }

  /// Whether a new connection may open, or list, what this one does not.
  ///
  /// It is made at once; but where a new doubt comes as soon as it may, each time later.
  mutating func asksForConnection(
    _ doubtful: Set<ID<Mailbox>>,
    at now: Deadline = .now
  ) -> Bool {
    guard !doubtful.isSubset(of: self.doubtful) else {
      heldUntil = nil
      return !doubtful.isEmpty && now >= nextTry
    }
    guard now >= nextNew else {
      heldUntil = nextNew
      return false
    }
    heldUntil = nil
    if now >= calmAt { newBackoff.reset() }
    let wait = newBackoff.next(spread: Double.random(in: 0...1))
    nextNew = now + wait
    calmAt = nextNew + wait + calm
    return true
  }

  /// Whether a list that contradicts itself is to be taken for what there is.
  var believesContradictions: Bool { contradictions >= Self.mostContradictions }

  /// How long to wait before the next connection: what a server keeps for its lists may need an instant to become true.
  var wait: Duration {
    contradictions < 2
      ? .zero : Backoff.delay(after: contradictions - 2, first: firstWait, longest: .seconds(60))
  }

  /// Takes note of a list that contradicted itself.
  mutating func noteContradiction() { contradictions += 1 }

  /// Takes note of whether a pass found a mailbox replaced since the list was read; whether that is a contradiction.
  mutating func notePass(foundReplaced: Bool) -> Bool {
    replacements = foundReplaced ? replacements + 1 : 0
    guard replacements >= Self.mostReplacements else {
      if !foundReplaced { contradictions = 0 }
      return false
    }
    replacements = 0
    contradictions += 1
    return true
  }
}
