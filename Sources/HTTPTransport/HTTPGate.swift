import Net

/// Counts the connections of a server, and tells when the last one has gone; confined to the loop that
/// accepts.
final class HTTPGate: @unchecked Sendable {  // Confined to `loop`.
  let loop: EventLoop
  /// How many connections there are.
  private(set) var count = 0
  private var counts: [Int]
  private var deadline: Deadline?
  private var waiter: CheckedContinuation<Void, Never>?
  private var timer: LoopTimer?

  init(loop: EventLoop, laneCount: Int) {
    self.loop = loop
    counts = Array(repeating: 0, count: laneCount)
  }

  /// Counts a new connection to the lane that has the fewest, and returns that lane's index.
  func enter() -> Int {
    var least = 0
    for index in counts.indices where counts[index] < counts[least] { least = index }
    counts[least] += 1
    count += 1
    return least
  }

  /// Counts a connection of a lane as gone.
  func leave(_ lane: Int) {
    counts[lane] -= 1
    count -= 1
    if count == 0 { open() }
  }

  /// Sets how long `waitUntilEmpty` waits.
  func close(by deadline: Deadline) {
    self.deadline = min(deadline, self.deadline ?? deadline)
    if waiter != nil { arm() }
  }

  /// Waits until every connection has gone, the deadline has passed, or the task is cancelled.
  func waitUntilEmpty() async {
    guard count > 0, !Task.isCancelled else { return }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        waiter = continuation
        arm()
      }
    } onCancel: {
      loop.execute { self.open() }
    }
  }

  private func arm() {
    guard let deadline else { return }
    timer?.cancel()
    timer = loop.schedule(at: deadline) { self.open() }
  }

  private func open() {
    timer?.cancel()
    timer = nil
    waiter?.resume()
    waiter = nil
  }
}
