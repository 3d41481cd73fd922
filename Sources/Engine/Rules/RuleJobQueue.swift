import Model

/// The messages of a job in the order in which it looks at them: those that it passed over before, then the rest.
///
/// One is passed over while its server has yet to take a change of its header: what is read of it is what it was, and a change of
/// that would undo the one before it. Every message up to `taken` is either done or waits, so that the job's row, which has
/// how many are done and which wait, says where to go on. That row is written with each batch, which is why only so many wait.
struct RuleJobQueue {
  private let messages: [ID<Message>]
  private let batch: Int
  private let mostWaiting: Int
  /// How many of `messages` were handed out.
  private var taken: Int
  /// What waited at the beginning and was not handed out again.
  private var again: ArraySlice<ID<Message>>
  /// The messages that were passed over.
  private(set) var waiting: [ID<Message>]
  /// How many are done.
  private(set) var done: Int

  init(
    _ messages: [ID<Message>],
    done: Int,
    waiting: [ID<Message>],
    batch: Int,
    mostWaiting: Int
  ) {
    self.messages = messages
    self.batch = batch
    self.mostWaiting = mostWaiting
    self.done = done
    self.waiting = waiting
    again = waiting[...]
    taken = min(done + waiting.count, messages.count)
  }

  var total: Int { messages.count }

  /// The next messages to look at; none where all were looked at, or too many wait.
  mutating func next() -> [ID<Message>] {
    if !again.isEmpty {
      defer { again = again.dropFirst(batch) }
      return Array(again.prefix(batch))
    }
    guard waiting.count < mostWaiting else { return [] }
    let end = min(taken + batch, messages.count)
    defer { taken = end }
    return Array(messages[taken..<end])
  }

  /// Notes that a batch is done but for those of it that are `held`; false where that changes nothing.
  mutating func settle(_ batch: [ID<Message>], held: Set<ID<Message>>) -> Bool {
    let before = (done, waiting.count)
    let all = Set(batch)
    waiting = waiting.filter { !all.contains($0) } + batch.filter { held.contains($0) }
    done += batch.count - held.count
    return before != (done, waiting.count)
  }
}
