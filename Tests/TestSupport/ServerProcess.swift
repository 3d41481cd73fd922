import Foundation
import Synchronization

/// A server program that runs as long as a test wants it, and never longer than the test process.
///
/// The kernel kills it with the thread that started it (`setpriv --pdeathsig`), should the tests
/// crash. It is stopped by its pid, and what it left in its session after it.
package final class ServerProcess: Sendable {
  private struct State {
    var pid: pid_t?
    var exitStatus: Int32?
  }

  private let arguments: [String]
  private let state = Mutex(State())
  /// The file that takes what the server prints.
  package let outputFile: String

  /// A server, not started yet, that is run as `arguments` in the foreground.
  package init(_ arguments: [String], outputFile: String) {
    self.arguments = arguments
    self.outputFile = outputFile
    ExitCleanup.add { [weak self] in self?.killNow() }
  }

  deinit { killNow() }

  /// The pid while the server runs.
  package var pid: Int32? { state.withLock { $0.pid } }

  /// How the last run ended by itself: its exit status, or 128 + the signal; nil while it runs.
  package var exitStatus: Int32? { reapIfEnded() ? state.withLock { $0.exitStatus } : nil }

  /// Starts the server and waits until each of `ports` accepts connections.
  ///
  /// The end of its output and of `logFiles` is quoted when it does not come up.
  package func start(
    ports: [UInt16],
    logFiles: [String] = [],
    within limit: Duration = .seconds(20)
  ) async throws {
    try state.withLock { state in
      guard state.pid == nil else { throw TestSupportError.failed("\(arguments[0]) runs already") }
      let line = ["setpriv", "--pdeathsig", "KILL", "--"] + arguments
      state.exitStatus = nil
      state.pid = try Spawn.shared.start(line, output: outputFile)
    }
    let deadline = ContinuousClock.now + limit
    for port in ports {
      while !LoopbackAddress.isListening(port) {
        if reapIfEnded() {
          throw TestSupportError.failed("\(arguments[0]) ended\(tails(logFiles))")
        }
        guard ContinuousClock.now < deadline else {
          killNow()
          throw TestSupportError.failed("\(arguments[0]): no port \(port)\(tails(logFiles))")
        }
        try await Task.sleep(for: .milliseconds(10))
      }
    }
  }

  /// Asks the server to end, waits for it, and kills it and its children after `limit`.
  package func stop(within limit: Duration = .seconds(10)) async {
    guard let pid else { return }
    sendSignal(SIGTERM, to: pid)
    let deadline = ContinuousClock.now + limit
    while !reapIfEnded(), ContinuousClock.now < deadline {
      try? await Task.sleep(for: .milliseconds(5))  // A cancelled test must stop its server too.
    }
    killNow()
    sendSignal(SIGKILL, to: -pid)
  }

  /// Kills the server and its children at once, as a machine's crash would.
  package func kill() { killNow() }

  /// Sends `signal` to the server alone.
  package func send(signal: Int32) {
    if let pid { sendSignal(signal, to: pid) }
  }

  /// Whether the server ended by itself; if so its exit is collected.
  private func reapIfEnded() -> Bool {
    state.withLock { state in
      guard let pid = state.pid else { return true }
      var status: Int32 = 0
      guard unsafe waitpid(pid, &status, WNOHANG) == pid else { return false }
      state.pid = nil
      state.exitStatus = status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
      return true
    }
  }

  private func killNow() {
    state.withLock { state in
      guard let pid = state.pid else { return }
      sendSignal(SIGKILL, to: -pid)
      var status: Int32 = 0
      while unsafe waitpid(pid, &status, 0) < 0, errno == EINTR {}
      state.pid = nil
    }
  }

  private func sendSignal(_ signal: Int32, to pid: pid_t) {
    if Glibc.kill(pid, signal) != 0, errno == EPERM {
      // A server that sudo started: only root may signal it. One that is gone needs no signal.
      _ = try? Command.runBlocking(Command.asRoot(["kill", "-\(signal)", "--", "\(pid)"]))
    }
  }

  private func tails(_ files: [String]) -> String {
    ([outputFile] + files).map { file in
      guard let text = try? String(contentsOfFile: file, encoding: .utf8) else { return "" }
      return "\n--- \(file)\n" + text.split(separator: "\n").suffix(15).joined(separator: "\n")
    }.joined()
  }
}
