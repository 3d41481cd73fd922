/// Work that a loop will do at an instant, unless it is cancelled first; confined to its loop.
package final class LoopTimer {
  /// When the work is due.
  package let deadline: Deadline
  private let loop: EventLoop
  private var work: (() -> Void)?
  /// Where the timer stands in its heap; negative when it stands in none.
  fileprivate var index = -1

  init(deadline: Deadline, loop: EventLoop, work: @escaping () -> Void) {
    self.deadline = deadline
    self.loop = loop
    self.work = work
  }

  /// Forgets the work; a timer that has fired is not changed by it.
  package func cancel() {
    work = nil
    loop.remove(self)
  }

  func fire() {
    let due = work
    work = nil
    due?()
  }
}

/// A binary heap of timers, the earliest first, that can also drop one from its middle.
struct TimerHeap {
  private var timers: [LoopTimer] = []

  var isEmpty: Bool { timers.isEmpty }

  var nextDeadline: Deadline? { timers.first?.deadline }

  mutating func insert(_ timer: LoopTimer) {
    timer.index = timers.count
    timers.append(timer)
    moveUp(timer.index)
  }

  /// Takes out the earliest timer, if it is due at `now`.
  mutating func popDue(_ now: Deadline) -> LoopTimer? {
    guard let first = timers.first, first.deadline <= now else { return nil }
    remove(first)
    return first
  }

  mutating func remove(_ timer: LoopTimer) {
    let index = timer.index
    guard index >= 0, index < timers.count, timers[index] === timer else { return }
    timer.index = -1
    let last = timers.removeLast()
    guard index < timers.count else { return }
    place(last, at: index)
    moveUp(index)
    moveDown(last.index)
  }

  mutating func removeAll() {
    for timer in timers {
      timer.index = -1
    }
    timers = []
  }

  private mutating func place(_ timer: LoopTimer, at index: Int) {
    timers[index] = timer
    timer.index = index
  }

  private mutating func moveUp(_ start: Int) {
    var index = start
    let timer = timers[index]
    while index > 0 {
      let parent = (index - 1) / 2
      guard timer.deadline < timers[parent].deadline else { break }
      place(timers[parent], at: index)
      index = parent
    }
    place(timer, at: index)
  }

  private mutating func moveDown(_ start: Int) {
    var index = start
    let timer = timers[index]
    while true {
      var child = 2 * index + 1
      guard child < timers.count else { break }
      if child + 1 < timers.count, timers[child + 1].deadline < timers[child].deadline {
        child += 1
      }
      guard timers[child].deadline < timer.deadline else { break }
      place(timers[child], at: index)
      index = child
    }
    place(timer, at: index)
  }
}
