import CLinux

/// The heap of the process: what it keeps of the memory that was freed.
package enum Heap {
  /// Lets large blocks go back to the kernel when they are freed; once, before the loops start.
  static func setUp() { restante_set_up_heap() }

  /// Gives the free pages back to the kernel, after work that needed far more than usual.
  package static func releaseFreeMemory() { restante_release_free_memory() }

  /// Does so later, on a thread that may block.
  package static func releaseFreeMemory(after wait: Duration, on loop: EventLoop) {
    loop.execute {
      _ = loop.schedule(at: .now + wait) {
        // A queue that is full has more to do than this.
        _ = loop.blocking.submit { releaseFreeMemory() }
      }
    }
  }
}
