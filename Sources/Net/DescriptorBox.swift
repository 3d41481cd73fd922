import Foundation
import Synchronization

/// A descriptor on its way from one owner to the next; closed if nobody takes it.
final class DescriptorBox: Sendable {
  private let descriptor: Atomic<Int32>

  init(_ descriptor: Int32) {
    self.descriptor = Atomic(descriptor)
  }

  deinit {
    if let left = take() { _ = Foundation.close(left) }
  }

  /// The descriptor, which is the caller's from now on; nil when it was taken before.
  func take() -> Int32? {
    let taken = descriptor.exchange(-1, ordering: .acquiringAndReleasing)
    return taken >= 0 ? taken : nil
  }
}
