import Glibc
import Net

/// Starts programs and learns of their end.
enum ChildProcess {
  /// Not shown by glibc's headers without `_GNU_SOURCE`.
  private static let newSession: Int16 = 0x80

  /// Starts a program in a session of its own, so that a Ctrl-C at our terminal does not reach it.
  ///
  /// It starts in `directory`, its output is appended to `log`, and it inherits no other descriptor.
  static func start(
    _ arguments: [String],
    in directory: String,
    log: String
  ) throws(EmbeddedClusterError) -> pid_t {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    unsafe posix_spawn_file_actions_addopen(
      &actions,
      1,
      log,
      O_WRONLY | O_CREAT | O_APPEND,
      0o600
    )
    unsafe posix_spawn_file_actions_adddup2(&actions, 1, 2)
    for descriptor in inheritable { unsafe posix_spawn_file_actions_addclose(&actions, descriptor) }
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    // An event loop blocks SIGPIPE; the server wants its signals as they are by default.
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe posix_spawnattr_setsigmask(&attributes, &signals)
    unsafe sigfillset(&signals)
    unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
    unsafe posix_spawnattr_setflags(
      &attributes,
      newSession | Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF)
    )

    let command = ["env", "-C", directory] + arguments
    let copies = unsafe command.map { unsafe strdup($0) } + [nil]
    defer { unsafe copies.forEach { unsafe free($0) } }
    var pid: pid_t = 0
    let code = unsafe posix_spawnp(&pid, command[0], &actions, &attributes, copies, environ)
    guard code == 0 else {
      let reason = unsafe String(cString: strerror(code))
      throw .failed(step: "starting \(arguments[0])", output: reason)
    }
    return pid
  }

  /// The descriptors that a child would get by mistake.
  private static var inheritable: [Int32] {
    ClusterFiles.names(in: "/proc/self/fd").compactMap { Int32($0) }.filter { descriptor in
      let flags = fcntl(descriptor, F_GETFD)
      return descriptor > 2 && flags >= 0 && flags & FD_CLOEXEC == 0
    }
  }

  /// Runs a program to its end; its output is in `log`.
  static func run(
    _ arguments: [String],
    in directory: String,
    log: String,
    deadline: Deadline
  ) throws(EmbeddedClusterError) {
    let pid = try start(arguments, in: directory, log: log)
    while true {
      if let status = exitStatus(of: pid) {
        if status == 0 { return }
        throw .failed(step: arguments.joined(separator: " "), output: ClusterFiles.tail(log))
      }
      if ContinuousClock.now >= deadline {
        kill(pid, SIGKILL)
        _ = waitpid(pid, nil, 0)
        throw .timedOut(step: arguments.joined(separator: " "))
      }
      pause()
    }
  }

  /// The status of a child that ended, which is forgotten by this; nil while it runs.
  static func exitStatus(of pid: pid_t) -> Int32? {
    var status: Int32 = 0
    let ended = unsafe waitpid(pid, &status, WNOHANG)
    if ended == pid { return status }
    return ended < 0 && errno == ECHILD ? -1 : nil
  }

  /// A short wait of a thread that polls; nothing tells of the end of what is not our child.
  static func pause() { usleep(10_000) }
}
