import Glibc

/// A server that runs on a data directory, as `postmaster.pid` and the system tell of it.
struct Postmaster: Sendable {
  let pid: pid_t
  let port: String
  let socketDirectory: String
  /// "ready", "starting", "stopping" or "standby".
  let state: String

  /// What the lock file of `cluster` says, true or not; nil where there is none.
  static func recorded(in cluster: String) -> Postmaster? {
    guard let text = ClusterFiles.read("\(cluster)/postmaster.pid") else { return nil }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
      .map { $0.trimmed }
    guard let first = lines.first, let pid = pid_t(first), pid > 0 else { return nil }
    func line(_ number: Int) -> String { number < lines.count ? lines[number] : "" }
    return Postmaster(pid: pid, port: line(3), socketDirectory: line(4), state: line(7))
  }

  /// The server that runs on `cluster`; nil where none does, whatever the lock file says.
  ///
  /// After a crash, or in a container started anew, the number in the lock file may be some other
  /// process's by now.
  static func running(in cluster: String) -> Postmaster? {
    guard let recorded = recorded(in: cluster), isServer(recorded.pid, of: cluster) else {
      return nil
    }
    return recorded
  }

  /// Whether a process is a PostgreSQL that works in `cluster`.
  static func isServer(_ pid: pid_t, of cluster: String) -> Bool {
    guard let directory = ClusterFiles.target(ofLink: "/proc/\(pid)/cwd"),
      directory == ClusterFiles.canonical(cluster)
    else { return false }
    return ClusterFiles.read("/proc/\(pid)/comm")?.hasPrefix("postgres") ?? false
  }

  /// The processes that a server, killed or not, still has on `cluster`.
  static func processes(in cluster: String) -> [pid_t] {
    ClusterFiles.names(in: "/proc").compactMap { pid_t($0) }.filter { isServer($0, of: cluster) }
  }
}

extension Substring {
  /// The text without spaces at its end, with which PostgreSQL pads the state.
  fileprivate var trimmed: String {
    var text = self
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}
