import HTTP
import HTTPTransport
import Net
import TestSupport
import Testing

@Suite("HTTP server: slow clients", .timeLimit(.minutes(6)))
struct HTTPTimeoutTests {
  private func limits(_ change: (inout HTTPLimits) -> Void) -> HTTPLimits {
    var limits = HTTPLimits()
    change(&limits)
    return limits
  }

  @Test func `an idle connection is closed without a word`() async throws {
    let limits = limits { $0.idleTimeout = .milliseconds(50) }
    try await withServer(limits: limits, { _ in .text("x") }) { running in
      let client = try await running.client()
      #expect(try await client.bytesUntilClosed().isEmpty)
    }
  }

  @Test func `a head that does not end is 408`() async throws {
    let limits = limits { $0.headTimeout = .milliseconds(50) }
    try await withServer(limits: limits, { _ in .text("x") }) { running in
      let client = try await running.client()
      try await client.write("GET / HTTP/1.1\r\nHost: ")
      let response = try await client.response()
      #expect(response.status == 408)
      #expect(response["connection"] == "close")
    }
  }

  @Test func `a body that does not come is an error to the handler`() async throws {
    let limits = limits { $0.bodyTimeout = .milliseconds(50) }
    let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { request in
      do throws(HTTPBodyError) {
        _ = try await request.body.collect(upTo: 100)
        return .text("read")
      } catch {
        return HTTPResponse(status: error == .timedOut ? .requestTimeout : .badRequest)
      }
    }
    try await withServer(limits: limits, answer) { running in
      let client = try await running.client()
      try await client.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc")
      let response = try await client.response()
      #expect(response.status == 408)
      #expect(response["connection"] == "close")
    }
  }

  @Test func `a client that reads nothing is given up`() async throws {
    let limits = limits { $0.writeTimeout = .milliseconds(50) }
    let errors = Signal<HTTPWriteError>()
    let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { _ in
      .stream { writer in
        do throws(HTTPWriteError) {
          while true { try await writer.write([UInt8](repeating: 0x61, count: 1 << 20)) }
        } catch {
          errors.send(error)
          throw error
        }
      }
    }
    try await withServer(limits: limits, answer) { running in
      let client = try await running.client()
      try await client.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
      #expect(await errors.next() == .closed)
    }
  }
}

@Suite("HTTP server: shutting down", .timeLimit(.minutes(6)))
struct HTTPShutdownTests {
  @Test func `an idle connection is closed at once and a new one refused`() async throws {
    try await withServer({ _ in .text("x") }) { running in
      let client = try await running.client()
      #expect(try await client.send("GET", "/").status == 200)
      await running.server.shutdown(deadline: .after(.seconds(3600)))
      #expect(try await client.bytesUntilClosed().isEmpty)
      await #expect(throws: NetError.self) { _ = try await running.client() }
    }
  }

  @Test func `a request under way gets its reply, and the connection then closes`() async throws {
    let started = Signal<Void>()
    let release = Signal<Void>()
    let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { _ in
      started.send(())
      _ = await release.next()
      return .text("done")
    }
    try await withServer(answer) { running in
      let client = try await running.client()
      let idle = try await running.client()
      try await client.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
      _ = await started.next()
      async let stopping: Void = running.server.shutdown(deadline: .after(.seconds(3600)))
      #expect(try await idle.bytesUntilClosed().isEmpty)
      release.send(())
      let response = try await client.response()
      #expect(response.text == "done")
      #expect(response["connection"] == "close")
      await stopping
    }
  }

  @Test func `what still runs at the deadline is cut off`() async throws {
    let ended = Signal<Bool>()
    let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { _ in
      .stream { writer in
        try await writer.write([0x61])
        while true {
          do {
            try await Task.sleep(for: .seconds(3600))
          } catch {
            ended.send(writer.isDraining)
            throw error
          }
        }
      }
    }
    try await withServer(answer) { running in
      let client = try await running.client()
      try await client.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
      _ = try await client.responseHead()
      await running.server.shutdown(deadline: .after(.milliseconds(50)))
      #expect(await ended.next() == true)
      #expect(try await client.bytesUntilClosed() == Array("1\r\na\r\n".utf8))
    }
  }

  @Test func `a server that never ran shuts down too`() async throws {
    let group = try EventLoopGroup(loopCount: 1)
    let server = try await HTTPServer(
      listener: .ipv4(0x7F00_0001, port: 0),
      group: group,
      handler: ClosureHandler { _ in .text("x") }
    )
    await server.shutdown(deadline: .now)
    try await server.run()
    await group.shutdown()
  }
}
