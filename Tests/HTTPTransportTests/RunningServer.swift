import HTTP
import HTTPTransport
import Net
import TestSupport

/// A handler made of a closure.
struct ClosureHandler: HTTPHandler {
  var answer: @Sendable (HTTPRequest) async -> HTTPResponse

  func respond(to request: HTTPRequest) async -> HTTPResponse {
    await answer(request)
  }

  func protocolError(_ status: HTTPStatus, reason: String) -> HTTPResponse {
    HTTPResponse(
      status: status,
      fields: ["Content-Type": "application/problem+json"],
      body: .bytes(Array(reason.utf8))
    )
  }
}

/// A server on a free port of the loopback interface.
struct RunningServer {
  var server: HTTPServer
  var group: EventLoopGroup

  func client() async throws -> TestHTTPClient {
    try await TestHTTPClient(connectingTo: server.localAddress, group: group)
  }
}

/// Runs `test` against a server that answers with `answer`, and shuts the server down.
func withServer(
  limits: HTTPLimits = HTTPLimits(),
  address: SocketAddress? = nil,
  _ answer: @escaping @Sendable (HTTPRequest) async -> HTTPResponse,
  test: (RunningServer) async throws -> Void
) async throws {
  let group = try EventLoopGroup(loopCount: 2)
  let server = try await HTTPServer(
    listener: address ?? .ipv4(0x7F00_0001, port: 0),
    group: group,
    limits: limits,
    handler: ClosureHandler(answer: answer)
  )
  async let serving: Void = server.run()
  do {
    try await test(RunningServer(server: server, group: group))
    await server.shutdown(deadline: .now)
    try await serving
    await group.shutdown()
  } catch {
    await server.shutdown(deadline: .now)
    try await serving
    await group.shutdown()
    throw error
  }
}

extension HTTPResponse {
  /// 200 with a text.
  static func text(_ text: String) -> HTTPResponse {
    HTTPResponse(status: .ok, body: .bytes(Array(text.utf8)))
  }

  /// 200 with a body that is streamed.
  static func stream(
    length: Int? = nil,
    _ produce: @escaping @Sendable (HTTPResponseWriter) async throws -> Void
  ) -> HTTPResponse {
    HTTPResponse(status: .ok, body: .stream(length: length, produce))
  }
}

/// What a handler has to tell its test.
struct Signal<Value: Sendable>: Sendable {
  private let stream: AsyncStream<Value>
  private let continuation: AsyncStream<Value>.Continuation

  init() {
    (stream, continuation) = AsyncStream.makeStream()
  }

  func send(_ value: Value) {
    continuation.yield(value)
  }

  /// The next value sent; nil where the waiting task is cancelled.
  func next() async -> Value? {
    for await value in stream { return value }
    return nil
  }
}
