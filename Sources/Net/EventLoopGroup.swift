import Foundation
import Synchronization

/// The event loops of the process, one a core.
package final class EventLoopGroup: Sendable {
  /// The loops, each with a thread of its own.
  package let loops: [EventLoop]
  /// The threads for work that blocks.
  package let blocking: BlockingPool
  /// The threads for `getaddrinfo`, apart from the others, since a dead name server holds them long.
  let resolving: BlockingPool
  private let turn = Atomic<Int>(0)
  private let otherTurn = Atomic<Int>(0)

  /// Starts `loopCount` loops, at least one; by default one for each active core.
  package init(
    loopCount: Int = ProcessInfo.processInfo.activeProcessorCount
  ) throws(NetError) {
    Heap.setUp()
    let blocking = BlockingPool()
    var loops: [EventLoop] = []
    for number in 0..<max(loopCount, 1) {
      loops.append(try EventLoop(name: "loop-\(number)", blocking: blocking))
    }
    self.blocking = blocking
    self.resolving = BlockingPool(threadLimit: 8)
    self.loops = loops
    for loop in loops {
      loop.start()
    }
  }

  deinit {
    for loop in loops {
      loop.stop()
    }
    blocking.close()
    resolving.close()
  }

  /// The loops in turn.
  package func next() -> EventLoop {
    let index = turn.wrappingAdd(1, ordering: .relaxed).oldValue
    return loops[Int(UInt(bitPattern: index) % UInt(loops.count))]
  }

  /// Another loop than the current one, where there are several: those in turn.
  package func another() -> EventLoop {
    guard loops.count > 1, let current = loops.firstIndex(where: \.isCurrent) else { return next() }
    // A turn of its own: taken along with `next` by turns it would always be the same one.
    let index = otherTurn.wrappingAdd(1, ordering: .relaxed).oldValue
    let place = Int(UInt(bitPattern: index) % UInt(loops.count - 1))
    return loops[place < current ? place : place + 1]
  }

  /// Closes every stream of the loops and ends their threads; not called from one of these loops.
  package func shutdown() async {
    precondition(!loops.contains { $0.isCurrent }, "a loop cannot wait for its own end")
    for loop in loops {
      await unsafe withUnsafeContinuation { continuation in
        loop.stop { unsafe continuation.resume() }
      }
    }
    blocking.close()
    resolving.close()
  }
}
