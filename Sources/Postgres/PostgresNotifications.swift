import Net

/// The payloads of one channel's notifications, in the order they came; see `PostgresPool.listen`.
package struct PostgresNotifications: AsyncSequence, Sendable {
  package typealias Element = String
  package typealias Failure = Never

  /// How many payloads wait for a slow reader; beyond that the oldest are dropped.
  static let bufferSize = 1024

  let stream: AsyncStream<String>

  /// Reads the payloads one by one.
  package struct AsyncIterator: AsyncIteratorProtocol {
    var base: AsyncStream<String>.AsyncIterator

    /// The next payload; nil once the pool is closed or the task cancelled.
    package mutating func next(isolation actor: isolated (any Actor)?) async -> String? {
      await base.next(isolation: actor)
    }
  }

  /// An iterator over what is received from now on; there should be one only.
  package func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(base: stream.makeAsyncIterator())
  }
}

/// Keeps a connection that listens, making it anew whenever it breaks.
final class NotificationListener: @unchecked Sendable {  // Touched only on its loop.
  private let channel: String
  private let configuration: PostgresConfiguration
  private let loop: EventLoop
  private let output: AsyncStream<String>.Continuation
  private let canceller = QueryCanceller()

  init(
    channel: String,
    configuration: PostgresConfiguration,
    loop: EventLoop,
    output: AsyncStream<String>.Continuation
  ) {
    self.channel = channel
    self.configuration = configuration
    self.loop = loop
    self.output = output
  }

  /// Listens until the task is cancelled.
  func run() async {
    var pause = configuration.initialBackoff
    while !Task.isCancelled {
      do {
        try await listenUntilBroken { pause = configuration.initialBackoff }
      } catch {
        // The reason shows in the pool, whose connections fail for the same one.
      }
      do throws(NetError) {
        try await loop.sleep(until: ContinuousClock.now + pause)
      } catch {
        break
      }
      pause = min(pause * 2, configuration.maximumBackoff)
    }
    output.finish()
  }

  private func listenUntilBroken(_ whenListening: () -> Void) async throws(PostgresError) {
    let connection = try await PostgresConnection.connect(
      configuration,
      canceller: canceller,
      on: loop
    )
    defer { connection.close() }
    let output = output
    connection.onNotification = { output.yield($0) }
    let quoted = channel.split(separator: "\"", omittingEmptySubsequences: false)
      .joined(separator: "\"\"")
    _ = try await connection.query("listen \"\(unsafeSQL: quoted)\"")
    whenListening()
    output.yield("")
    await connection.waitUntilBroken()
  }
}

extension PostgresConnection {
  /// Suspends until the connection breaks; a cancelled task closes it.
  package func waitUntilBroken() async {
    let loop = loop
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        if failure != nil { return continuation.resume() }
        onBreak = { continuation.resume() }
      }
    } onCancel: {
      loop.execute { self.close() }
    }
  }
}
