import CPostgres
import Glibc
import Net

// What happens before and after the server's own start.
extension EmbeddedCluster {
  /// The role and the database of the service.
  private static let name = "restante"
  /// How far the server's log may grow before a start moves it away.
  private static let logLimit: Int64 = 10_000_000
  /// How long processes of a killed server may take to notice.
  private static let orphanPatience: Duration = .seconds(2)

  /// The major version of the data; nil while there is none.
  var version: String? {
    ClusterFiles.read("\(cluster)/PG_VERSION")?.split(separator: "\n").first.map(String.init)
  }

  /// The server's settings, which a newer Restante may change at any start.
  var serverArguments: [String] {
    var values = [
      "listen_addresses=", "unix_socket_permissions=0700", "port=5432",
      "max_connections=\(settings.maximumConnections)", "shared_buffers=\(settings.sharedBuffers)",
      "huge_pages=off", "jit=off", "max_wal_size=512MB", "random_page_cost=1.1",
      "client_connection_check_interval=10s", "logging_collector=off", "log_destination=stderr",
      "log_min_messages=warning", "log_min_error_statement=panic", "timezone=UTC",
      "log_timezone=UTC", "log_line_prefix=%m [%p] ",
    ]
    if !settings.isDurable {
      // Commits still reach the kernel, so they outlive a kill of the server, as tests expect.
      values += ["fsync=off", "full_page_writes=off"]
    }
    return values.flatMap { ["-c", $0] }
  }

  /// Makes the cluster beside its place and moves it there.
  func initialise(as user: ClusterUser, _ deadline: Deadline) throws(EmbeddedClusterError) {
    let programs = try ClusterPrograms.find(version: nil)
    let fresh = "\(dataDirectory)/cluster.new"
    var options = [
      "-D", fresh, "-U", Self.name, "--auth=trust", "--encoding=UTF8", "--lc-collate=C",
      "--no-instructions",
    ]
    if !settings.isDurable { options.append("--no-sync") }
    // C.UTF-8 knows the letters of every script; where it is missing, C knows ASCII's.
    var failure: EmbeddedClusterError?
    for locale in ["C.UTF-8", "C"] {
      ClusterFiles.removeTree(fresh)
      do throws(EmbeddedClusterError) {
        try ChildProcess.run(
          user.prefix + [programs.initdb] + options + ["--locale=\(locale)"],
          in: dataDirectory,
          log: "\(dataDirectory)/initdb.log",
          deadline: deadline
        )
        guard unsafe rename(fresh, cluster) == 0 else {
          throw .failed(step: "rename \(fresh)", output: "errno \(errno)")
        }
        return
      } catch {
        failure = error
      }
    }
    throw failure ?? .timedOut(step: "initdb")
  }

  /// The server that runs on our data, once one that is about to stop has stopped.
  func settledServer(_ deadline: Deadline) throws(EmbeddedClusterError) -> Postmaster? {
    while let running = Postmaster.running(in: cluster) {
      let isSettled = running.state != "stopping" && !running.socketDirectory.isEmpty
      if isSettled { return running }
      if ContinuousClock.now >= deadline { throw .timedOut(step: "waiting for PostgreSQL to stop") }
      ChildProcess.pause()
    }
    return nil
  }

  /// Removes what a killed server left, once its processes are gone.
  func clearLeftovers(
    in socketDirectory: String,
    _ deadline: Deadline
  ) throws(EmbeddedClusterError) {
    // A server that ended in order took its lock file with it, and its processes went first. Then nothing is
    // looked for: among thousands of processes that takes longer than the rest of a start.
    guard ClusterFiles.exists("\(cluster)/postmaster.pid") else { return }
    let patience = ContinuousClock.now + Self.orphanPatience
    while case let orphans = Postmaster.processes(in: cluster), !orphans.isEmpty {
      if ContinuousClock.now >= deadline { throw .timedOut(step: "waiting for PostgreSQL to end") }
      if ContinuousClock.now >= patience { for pid in orphans { kill(pid, SIGKILL) } }
      ChildProcess.pause()
    }
    // The server itself knows a lock file whose process is gone, but not one whose number is some
    // other process's by now.
    unsafe unlink("\(cluster)/postmaster.pid")
    unsafe unlink("\(socketDirectory)/.s.PGSQL.5432")
    unsafe unlink("\(socketDirectory)/.s.PGSQL.5432.lock")
  }

  /// The directory of the socket: ours, or a short one where the path would not fit an address.
  func socketDirectory(for user: ClusterUser) throws(EmbeddedClusterError) -> String {
    let ours = "\(dataDirectory)/run"
    let longest = 107 - "/.s.PGSQL.5432.lock".utf8.count
    // libpq takes a comma for the end of one host of several.
    let fits = ours.utf8.count <= longest && !ours.contains(",")
    let path = fits ? ours : "/tmp/restante-\(user.uid)-\(Self.hash(cluster))"
    try ClusterFiles.makePrivate(path, for: user)
    return path
  }

  private static func hash(_ text: String) -> String {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
    return String(hash, radix: 36)
  }

  /// The connection string of a database of the server behind `directory`.
  func connectionInfo(directory: String, database: String) -> String {
    var quoted = ""
    for character in directory {
      if character == "'" || character == "\\" { quoted.append("\\") }
      quoted.append(character)
    }
    return "host='\(quoted)' port=5432 user=\(Self.name) dbname=\(database)"
  }

  /// Makes the database of the service where it is missing; returns its connection string.
  func database(
    in directory: String,
    _ deadline: Deadline
  ) throws(EmbeddedClusterError) -> String {
    let seconds = max(2, Int((deadline - ContinuousClock.now) / .seconds(1)))
    // Mostly it is there. Then the other database is left alone: the first connection to each since the server
    // started has it read its catalogue, which is a good part of a start.
    let own = connectionInfo(directory: directory, database: Self.name)
    let direct = unsafe PQconnectdb("\(own) connect_timeout=\(seconds)")
    defer { unsafe PQfinish(direct) }
    if unsafe PQstatus(direct) == CONNECTION_OK { return own }
    let info = connectionInfo(directory: directory, database: "postgres")
    let handle = unsafe PQconnectdb("\(info) connect_timeout=\(seconds)")
    defer { unsafe PQfinish(handle) }
    guard let handle = unsafe handle, unsafe PQstatus(handle) == CONNECTION_OK else {
      let reason = unsafe handle.map { unsafe LibPQ.message($0) } ?? "out of memory"
      throw .failed(step: "connecting to PostgreSQL", output: reason)
    }
    let found = unsafe PQexec(
      handle,
      "select 1 from pg_database where datname = '\(Self.name)'"
    )
    defer { unsafe PQclear(found) }
    if unsafe PQntuples(found) == 0 {
      let made = unsafe PQexec(handle, "create database \(Self.name)")
      defer { unsafe PQclear(made) }
      guard unsafe PQresultStatus(made) == PGRES_COMMAND_OK else {
        throw .failed(step: "create database", output: unsafe LibPQ.message(handle))
      }
    }
    return own
  }

  func rotateLog() {
    if let status = ClusterFiles.status(log), status.st_size > Self.logLimit {
      unsafe rename(log, "\(log).1")
    }
  }
}

/// Keeps two processes from starting one cluster at the same time.
struct StartLock {
  private let descriptor: Int32

  init(_ directory: String, deadline: Deadline) throws(EmbeddedClusterError) {
    descriptor = unsafe open("\(directory)/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw .failed(step: "open \(directory)/lock", output: "errno \(errno)")
    }
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      if ContinuousClock.now >= deadline {
        close(descriptor)
        throw .timedOut(step: "waiting for another process to start PostgreSQL")
      }
      ChildProcess.pause()
    }
  }

  func release() { close(descriptor) }
}
