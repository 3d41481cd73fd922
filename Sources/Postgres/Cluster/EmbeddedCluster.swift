// The database of a service that was given none: a cluster of its own in the data directory,
//
//   DIR/cluster      what initdb makes; made as cluster.new and renamed, so never half there
//   DIR/run          the socket, unless its path would be too long, then /tmp/restante-UID-HASH
//   DIR/server.log   what the server prints; moved to server.log.1 when it has grown
//   DIR/lock         held while a process starts the server
//
// The server listens on that socket only; the directory is closed to other users, so it trusts who
// comes. It is a process of its own: if we are killed it stays, and the next start takes it over.

import CPostgres
import Glibc
package import Net
import Synchronization

/// How the service's own PostgreSQL is set up.
package struct EmbeddedClusterSettings: Sendable {
  /// How many connections the server takes.
  package var maximumConnections = 50
  /// Memory for its shared buffers.
  package var sharedBuffers = "64MB"
  /// Whether a commit outlives a crash of the machine; false for tests only.
  package var isDurable = true

  /// Settings for a small machine that keeps its data.
  package init() {}
}

/// A PostgreSQL that the service makes, runs and stops by itself.
package final class EmbeddedCluster: Sendable {
  /// The directory that holds all of it.
  package let dataDirectory: String
  let settings: EmbeddedClusterSettings
  private let blocking: BlockingPool
  private let process = Mutex<Process?>(nil)
  /// Lets one start or stop happen at a time; held by threads of the blocking pool only.
  private let turn = Mutex<Bool>(false)

  /// The server as far as we know.
  private struct Process: Sendable {
    var pid: pid_t
    var isChild: Bool
  }

  /// A cluster in `dataDirectory`, an absolute path whose parent exists; nothing is made yet.
  package init(
    dataDirectory: String,
    settings: EmbeddedClusterSettings = EmbeddedClusterSettings(),
    group: EventLoopGroup
  ) {
    self.dataDirectory = dataDirectory
    self.settings = settings
    blocking = group.blocking
  }

  /// Where the data itself is.
  var cluster: String { "\(dataDirectory)/cluster" }
  var log: String { "\(dataDirectory)/server.log" }

  /// The number of the server's process; nil while it does not run.
  package var processID: Int32? { process.withLock { $0?.pid } }

  /// Makes the cluster where there is none, starts the server where it does not run, and waits for it.
  ///
  /// Returns the connection string.
  package func start(
    deadline: Deadline = ContinuousClock.now + .seconds(60)
  ) async throws -> String {
    try await blocking.run { [self] in
      try turn.withLock { _ in try startBlocking(deadline) }
    }
  }

  /// Stops the server: at once what it does, cleanly what it holds.
  package func stop(deadline: Deadline = ContinuousClock.now + .seconds(10)) async {
    do {
      try await blocking.run { [self] in turn.withLock { _ in stopBlocking(deadline) } }
    } catch {
      // No thread is left to wait on; the server stays, and the next start takes it over.
    }
  }

  /// Starts the server again whenever it is gone, until the task is cancelled.
  package func supervise(every interval: Duration = .milliseconds(500)) async {
    while !Task.isCancelled {
      do {
        try await Task.sleep(for: interval)
        if isGone { _ = try await start() }
      } catch is CancellationError {
        return
      } catch {
        // Its reason is in the server's log, and every query says `unavailable` meanwhile.
        continue
      }
    }
  }

  /// Whether a server that we started or took over has ended.
  private var isGone: Bool {
    process.withLock { process in
      guard let known = process else { return false }
      if known.isChild, ChildProcess.exitStatus(of: known.pid) == nil { return false }
      if !known.isChild, Postmaster.isServer(known.pid, of: cluster) { return false }
      process = Process(pid: known.pid, isChild: false)
      return true
    }
  }

  private func startBlocking(_ deadline: Deadline) throws(EmbeddedClusterError) -> String {
    let user = try ClusterUser.current()
    try user.checkCanReach(dataDirectory)
    try ClusterFiles.makePrivate(dataDirectory, for: user)
    let lock = try StartLock(dataDirectory, deadline: deadline)
    defer { lock.release() }
    if !ClusterFiles.exists(cluster) { try initialise(as: user, deadline) }
    while let running = try settledServer(deadline) {
      if let info = try takeOver(running, deadline) { return info }
    }
    let directory = try socketDirectory(for: user)
    try clearLeftovers(in: directory, deadline)
    try launch(as: user, socketDirectory: directory)
    guard try waitUntilReady(in: directory, deadline) else {
      process.withLock { $0 = nil }
      throw .failed(step: "starting PostgreSQL", output: ClusterFiles.tail(log))
    }
    return try database(in: directory, deadline)
  }

  /// Uses a server that runs already; nil where it turns out to be dying.
  private func takeOver(
    _ running: Postmaster,
    _ deadline: Deadline
  ) throws(EmbeddedClusterError) -> String? {
    process.withLock { process in
      // Our own child stays one, so that its end is collected.
      if process?.pid != running.pid { process = Process(pid: running.pid, isChild: false) }
    }
    guard try waitUntilReady(in: running.socketDirectory, deadline) else { return nil }
    do throws(EmbeddedClusterError) {
      return try database(in: running.socketDirectory, deadline)
    } catch {
      if isGone { return nil }
      throw error
    }
  }

  private func launch(
    as user: ClusterUser,
    socketDirectory: String
  ) throws(EmbeddedClusterError) {
    let programs = try ClusterPrograms.find(version: version)
    rotateLog()
    let command =
      user.prefix + [programs.postgres, "-D", cluster, "-k", socketDirectory] + serverArguments
    let pid = try ChildProcess.start(command, in: dataDirectory, log: log)
    process.withLock { $0 = Process(pid: pid, isChild: true) }
  }

  /// Waits until the server takes connections; false when it ends instead.
  private func waitUntilReady(
    in directory: String,
    _ deadline: Deadline
  ) throws(EmbeddedClusterError) -> Bool {
    let info = connectionInfo(directory: directory, database: "postgres")
    while unsafe PQping(info) != PQPING_OK {
      if isGone { return false }
      if ContinuousClock.now >= deadline { throw .timedOut(step: "starting PostgreSQL") }
      ChildProcess.pause()
    }
    return true
  }

  private func stopBlocking(_ deadline: Deadline) {
    guard let pid = processID else { return }
    // Fast, then immediate, which recovers at the next start, then by force.
    let steps = [
      (SIGINT, deadline), (SIGQUIT, deadline + .seconds(5)), (SIGKILL, deadline + .seconds(10)),
    ]
    for (signal, limit) in steps where !isGone {
      kill(pid, signal)
      while !isGone, ContinuousClock.now < limit { ChildProcess.pause() }
    }
    process.withLock { $0 = nil }
  }
}
