import Model
import Synchronization

/// How far down the sweep over the flags of old messages came in each mailbox, for as long as one connection lasts.
final class FlagSweep: Sendable {
  private let reached = Mutex<[ID<Mailbox>: Int64]>([:])

  /// The UID below which the sweep of a mailbox goes on; nil where it begins at the top.
  subscript(mailbox: ID<Mailbox>) -> Int64? {
    get { reached.withLock { $0[mailbox] } }
    set { reached.withLock { $0[mailbox] = newValue } }
  }
}
