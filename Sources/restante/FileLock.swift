import Foundation

/// A lock between processes: an open file (`flock`), freed by the kernel however its holder ends.
final class FileLock: Sendable {
  private let descriptor: Int32

  private init(_ path: String) throws {
    descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw FileError(path: path, errno: errno) }
  }

  deinit { close(descriptor) }

  /// Holds the lock together with others; waits while somebody holds it alone.
  static func shared(_ path: String) throws -> FileLock {
    let lock = try FileLock(path)
    while flock(lock.descriptor, LOCK_SH) != 0 {
      guard errno == EINTR else { throw FileError(path: path, errno: errno) }
    }
    return lock
  }

  /// Holds the lock alone; nil while anybody else holds it.
  static func exclusive(_ path: String) throws -> FileLock? {
    let lock = try FileLock(path)
    return lock.becomeExclusive() ? lock : nil
  }

  /// Whether the lock is now held alone; where it is not, it is not held at all any more.
  func becomeExclusive() -> Bool { flock(descriptor, LOCK_EX | LOCK_NB) == 0 }
}
