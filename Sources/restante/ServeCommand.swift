import ArgumentParser
import Dispatch
import Engine
import Foundation
import HTTPTransport
import Logging
import Model
import Net
import Postgres
import Store

struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Runs the service until SIGTERM or SIGINT."
  )

  @OptionGroup var options: SettingsOptions

  @Option(help: "HOST:PORT or unix:PATH (RESTANTE_LISTEN; default 127.0.0.1:8080).")
  var listen: String?

  @Option(
    name: .customLong("allow-network"),
    help: "A network, such as 10.0.0.0/8, that back ends may be in (RESTANTE_ALLOW_NETWORK)."
  )
  var allowNetwork: [String] = []

  @OptionGroup var mail: MailListenerOptions

  @Flag(help: "Makes an account with a few messages where there is none, and prints what to try.")
  var welcome = false

  @Option(help: "PEM certificates to trust in place of the system's (RESTANTE_CA_FILE).")
  var caFile: String?

  func run() async throws {
    var settings = try options.settings()
    settings.listen = listen ?? settings.listen
    settings.caFile = caFile ?? settings.caFile
    settings.allowedNetworks += allowNetwork
    mail.apply(to: &settings)
    let address = try settings.address(settings.listen)
    _ = try Settings.networks(settings.allowedNetworks)
    let mailPlan = try MailListeners.Plan(settings)
    try Self.checkAuthorities(settings.caFile)
    var logger = Logger(label: "restante") { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = .info
    let signals = StopSignals()
    try Wiring.makeDirectory(settings.dataDirectory)
    // Two services on one mail store would send twice.
    guard let turn = try FileLock.exclusive(settings.dataDirectory + "/serve.lock") else {
      throw StartError("Another restante serves from \(settings.dataDirectory).")
    }
    defer { withExtendedLifetime(turn) {} }
    let wiring = try await Wiring(settings, logger: logger)
    do {
      try await serve(wiring, at: address, mailPlan, signals)
    } catch {
      await wiring.close()
      throw error
    }
    await wiring.close()
  }

  /// A file that cannot be used is told before anything is made.
  private static func checkAuthorities(_ caFile: String?) throws {
    guard let caFile else { return }
    try ReadableFile.check(caFile)
    do throws(NetError) {
      _ = try TLSClientContext(TLSClientConfiguration(roots: .file(caFile)))
    } catch {
      throw StartError("\(caFile) holds no PEM certificates that can be read (--ca-file).")
    }
  }

  private func serve(
    _ wiring: Wiring,
    at address: SocketAddress,
    _ mailPlan: MailListeners.Plan,
    _ signals: StopSignals
  ) async throws {
    let applied = try await wiring.migrate()
    if !applied.isEmpty {
      wiring.logger.info("schema brought up to date", metadata: ["steps": "\(applied)"])
    }
    let engine = try wiring.engine()
    let server = try await Self.listening(at: address) {
      try await HTTPServer(listener: address, group: wiring.group, handler: wiring.handler(engine))
    }
    let mail = try await MailListeners(mailPlan, engine, wiring.group)
    let tokenPath = wiring.settings.dataDirectory + "/admin.token"
    let store = wiring.store
    let loop = wiring.group.next()
    let (turn, isNew) = try await Task(executorPreference: loop) {
      guard let turn = try await store.takeServiceTurn() else {
        throw StartError("Another restante serves from this database.")
      }
      let isNew = try await AdminToken.ensure(store, path: tokenPath)
      try await engine.start()
      return (turn, isNew)
    }.value
    let keeping = Task(executorPreference: loop) {
      await turn.keep()
      guard !Task.isCancelled else { return }
      wiring.logger.error("another service took over the database")
      signals.stop()
    }
    if isNew { print("The administrator's token is in \(tokenPath).") }
    async let serving: Void = server.run()
    async let receiving: Void = mail.run()
    print("Restante \(Version.text) answers at \(server.localAddress).")
    for line in mail.lines { print(line) }
    if welcome {
      _ = try await Task(executorPreference: loop) { try await Welcome.prepare(engine, store) }
        .value
      let lines = Welcome.lines(
        listening: "\(server.localAddress)",
        tokenFile: tokenPath,
        smtp: mail.smtpAddress
      )
      for line in lines { print(line) }
    }
    fflush(nil)
    let accounts = Task(executorPreference: loop) { try await startAccounts(engine, wiring.logger) }
    let cluster = wiring.cluster
    let supervision = Task { await cluster?.supervise() }
    await signals.wait()
    wiring.logger.info("stopping")
    supervision.cancel()
    // Supervisors kill after ten seconds: requests and messages under way share five of them.
    let deadline = Deadline.after(.seconds(5))
    async let sent: Void = engine.finishSending(until: deadline)
    async let received: Void = mail.shutdown(deadline: deadline)
    await server.shutdown(deadline: deadline)
    await received
    await sent
    accounts.cancel()
    _ = await accounts.result
    await engine.shutdown()
    keeping.cancel()
    await keeping.value
    await supervision.value
    try await serving
    try await receiving
  }

  /// Starts the accounts' workers once the first callers have been answered; a database that is away is
  /// waited for.
  private func startAccounts(_ engine: Engine, _ logger: Logger) async throws {
    while true {
      try await Task.sleep(for: Self.headStart)
      do {
        return try await engine.startAccounts()
      } catch {
        logger.warning(
          "accounts not started",
          metadata: ["cause": "\(error.cause ?? error.message)"]
        )
      }
    }
  }

  /// How long callers have the service for themselves.
  private static let headStart: Duration = .milliseconds(300)

  /// Runs `open`, and says at which address it is that nobody can listen.
  static func listening<Server>(
    at address: SocketAddress,
    _ open: () async throws -> Server
  ) async throws -> Server {
    do {
      return try await open()
    } catch NetError.system(_, let number) {
      let reason = unsafe String(cString: strerror(number))
      throw StartError("Nothing can listen at \(address): \(reason).")
    }
  }
}

/// Why the service does not start, in a sentence.
struct StartError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

/// SIGTERM and SIGINT, turned into one wait.
final class StopSignals: @unchecked Sendable {  // Its sources are made once and only held.
  private let stream: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation
  private let sources: [any DispatchSourceSignal]

  init() {
    let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
    self.stream = stream
    self.continuation = continuation
    signal(SIGPIPE, SIG_IGN)
    sources = [SIGTERM, SIGINT].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { continuation.yield() }
      source.resume()
      return source
    }
  }

  /// Ends the wait as one of them would.
  func stop() { continuation.yield() }

  /// Returns when one of them came.
  func wait() async {
    for await _ in stream { return }
  }
}
