import Foundation
import Synchronization

/// Starts programs, all of them from one thread that lives as long as the process.
///
/// The kernel sends a child its parent-death signal when the *thread* that made it ends, and threads
/// of a pool come and go; a server started from one of those would die in the middle of a test.
final class Spawn: Sendable {
  static let shared = Spawn()

  private let jobs = Mutex<[@Sendable () -> Void]>([])
  private let wake = DispatchSemaphore(value: 0)

  private init() {
    Thread.detachNewThread { [self] in
      while true {
        wake.wait()
        let job = jobs.withLock { $0.removeFirst() }
        job()
      }
    }
  }

  /// Starts `arguments[0]` in a session of its own, its output going to the file `output`.
  ///
  /// - Returns: the pid, which is also the id of the process group.
  func start(_ arguments: [String], input: String = "/dev/null", output: String) throws -> pid_t {
    let done = DispatchSemaphore(value: 0)
    let outcome = Mutex<(status: Int32, pid: pid_t)>((0, 0))
    jobs.withLock { jobs in
      jobs.append {
        let result = Self.spawn(arguments, input: input, output: output)
        outcome.withLock { $0 = result }
        done.signal()
      }
    }
    wake.signal()
    done.wait()
    let result = outcome.withLock { $0 }
    guard result.status == 0 else {
      let reason = unsafe String(cString: strerror(result.status))
      throw TestSupportError.failed("cannot start \(arguments.joined(separator: " ")): \(reason)")
    }
    return result.pid
  }

  /// The descriptors that a child would get by mistake, such as another test's sockets.
  private static var inheritable: [Int32] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
    return names.compactMap { Int32($0) }.filter { descriptor in
      let flags = fcntl(descriptor, F_GETFD)
      return descriptor > 2 && flags >= 0 && flags & FD_CLOEXEC == 0
    }
  }

  private static func spawn(
    _ arguments: [String],
    input: String,
    output: String
  ) -> (status: Int32, pid: pid_t) {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0)
    unsafe posix_spawn_file_actions_addopen(
      &actions,
      1,
      output,
      O_WRONLY | O_CREAT | O_APPEND,
      0o644
    )
    unsafe posix_spawn_file_actions_adddup2(&actions, 1, 2)
    for descriptor in inheritable { unsafe posix_spawn_file_actions_addclose(&actions, descriptor) }

    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    unsafe sigemptyset(&none)
    var all = sigset_t()
    unsafe sigfillset(&all)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setsigdefault(&attributes, &all)
    let newSession: Int32 = 0x80  // POSIX_SPAWN_SETSID, which glibc shows only under _GNU_SOURCE.
    unsafe posix_spawnattr_setflags(
      &attributes,
      Int16(newSession | Int32(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    )

    let vector = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(
      capacity: arguments.count + 1
    )
    for (index, argument) in arguments.enumerated() { unsafe vector[index] = strdup(argument) }
    unsafe vector[arguments.count] = nil
    defer {
      for index in arguments.indices { unsafe free(vector[index]) }
      unsafe vector.deallocate()
    }
    var pid: pid_t = 0
    let status = unsafe posix_spawnp(&pid, arguments[0], &actions, &attributes, vector, environ)
    return (status, pid)
  }
}
