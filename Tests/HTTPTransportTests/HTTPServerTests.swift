import HTTP
import HTTPTransport
import Net
import TestSupport
import Testing

@Suite("HTTP server: requests and replies", .timeLimit(.minutes(6)))
struct HTTPServerTests {
  @Test func `a connection serves one request after another`() async throws {
    try await withServer({ .text($0.path) }) { running in
      let client = try await running.client()
      for number in 1...3 {
        let response = try await client.send("GET", "/\(number)")
        #expect(response.status == 200)
        #expect(response.text == "/\(number)")
        #expect(response["content-length"] == "2")
        #expect(response["date"]?.hasSuffix(" GMT") == true)
        #expect(response["connection"] == nil)
      }
    }
  }

  @Test func `pipelined requests are answered in order`() async throws {
    let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { request in
      if request.path == "/1" { await Task.yield() }
      return .text(request.path)
    }
    try await withServer(answer) { running in
      let client = try await running.client()
      let one = "Host: h\r\n\r\n"
      try await client.write(
        "GET /1 HTTP/1.1\r\n\(one)POST /2 HTTP/1.1\r\nContent-Length: 3\r\n\(one)abc"
          + "GET /3 HTTP/1.1\r\n\(one)"
      )
      for path in ["/1", "/2", "/3"] {
        #expect(try await client.response().text == path)
      }
    }
  }

  @Test func `a request knows its parts and runs on a loop`() async throws {
    let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { request in
      do {
        let query = try request.query.map { "\($0.name)=\(try $0.value.get())" }
        let segments = try request.segments
        let onLoop = EventLoop.current != nil
        let peer = request.remoteAddress?.ip ?? "nobody"
        return .text("\(request.method) \(segments) \(query) \(onLoop) \(peer)")
      } catch {
        return HTTPResponse(status: .badRequest)
      }
    }
    try await withServer(answer) { running in
      let client = try await running.client()
      let response = try await client.send("PATCH", "/a%2Fb/c?d=e+f")
      #expect(response.text == "PATCH [\"a/b\", \"c\"] [\"d=e f\"] true 127.0.0.1")
      #expect(try await client.send("GET", "/%").status == 400)
    }
  }

  @Test func `HEAD has the length of GET and no body`() async throws {
    try await withServer({ _ in .text("hello") }) { running in
      let client = try await running.client()
      let head = try await client.send("HEAD", "/")
      #expect(head["content-length"] == "5")
      #expect(head.body.isEmpty)
      #expect(try await client.send("GET", "/").text == "hello")
    }
  }

  @Test func `HEAD does not run a stream`() async throws {
    let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { request in
      .stream(length: 5) { writer in
        #expect(request.method == .get)
        try await writer.write(Array("hello".utf8))
      }
    }
    try await withServer(answer) { running in
      let client = try await running.client()
      #expect(try await client.send("HEAD", "/")["content-length"] == "5")
      #expect(try await client.send("GET", "/").text == "hello")
    }
  }

  @Test(arguments: [HTTPStatus.noContent, .notModified])
  func `a status without a body gets none`(status: HTTPStatus) async throws {
    let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { request in
      request.path == "/none"
        ? HTTPResponse(status: status, body: .bytes([1, 2, 3])) : .text("next")
    }
    try await withServer(answer) { running in
      let client = try await running.client()
      let response = try await client.send("GET", "/none")
      #expect(response["content-length"] == nil)
      #expect(response["transfer-encoding"] == nil)
      #expect(try await client.send("GET", "/").text == "next")
    }
  }

  @Test func `an empty reply has a length`() async throws {
    try await withServer({ _ in HTTPResponse(status: .ok) }) { running in
      let client = try await running.client()
      #expect(try await client.send("GET", "/")["content-length"] == "0")
    }
  }

  @Test(arguments: [
    "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n",
  ])
  func `the connection closes where the client asks`(request: String) async throws {
    try await withServer({ _ in .text("x") }) { running in
      let client = try await running.client()
      try await client.write(request)
      #expect(try await client.response()["connection"] == "close")
      #expect(try await client.bytesUntilClosed().isEmpty)
    }
  }

  @Test func `the connection closes where the handler asks`() async throws {
    try await withServer({ _ in HTTPResponse(status: .ok, fields: ["Connection": "close"]) }) {
      running in
      let client = try await running.client()
      #expect(try await client.send("GET", "/")["connection"] == "close")
      #expect(try await client.bytesUntilClosed().isEmpty)
    }
  }

  @Test func `HTTP 1.0 keeps a connection if asked, and gets streams without chunks`() async throws
  {
    let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { request in
      request.path == "/s" ? .stream { try await $0.write([0x61]) } : .text("x")
    }
    try await withServer(answer) { running in
      let client = try await running.client()
      try await client.write("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
      #expect(try await client.response()["connection"] == "keep-alive")
      try await client.write("GET /s HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
      let response = try await client.response()
      #expect(response["transfer-encoding"] == nil)
      #expect(response["connection"] == "close")
      #expect(response.text == "a")
    }
  }

  @Test func `a client that has finished writing still gets its reply`() async throws {
    try await withServer({ _ in .text("x") }) { running in
      let client = try await running.client()
      try await client.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
      try await client.finishWriting()
      #expect(try await client.response().text == "x")
      #expect(try await client.bytesUntilClosed().isEmpty)
    }
  }

  @Test(arguments: [
    ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/2.0\r\n\r\n", 505),
    ("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    ("GET /\(String(repeating: "a", count: 9000)) HTTP/1.1\r\nHost: h\r\n\r\n", 414),
    ("GET / HTTP/1.1\r\n\(String(repeating: "a: b\r\n", count: 200))\r\n", 431),
  ])
  func `what is no request is answered by the handler's words and closed`(
    wire: String,
    status: Int
  ) async throws {
    try await withServer({ _ in .text("x") }) { running in
      let client = try await running.client()
      try await client.write(wire)
      let response = try await client.response()
      #expect(response.status == status)
      #expect(response["content-type"] == "application/problem+json")
      #expect(response["connection"] == "close")
      #expect(try await client.bytesUntilClosed().isEmpty)
    }
  }

  @Test func `a field that could inject another is never sent`() async throws {
    let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { _ in
      HTTPResponse(status: .ok, fields: ["Location": "/a\r\nSet-Cookie: b=c"])
    }
    try await withServer(answer) { running in
      let client = try await running.client()
      let response = try await client.send("GET", "/")
      #expect(response.status == 500)
      #expect(response["set-cookie"] == nil)
    }
  }

  @Test func `a Unix socket is served too`() async throws {
    let directory = try TemporaryDirectory()
    let address = SocketAddress.unix(path: "\(directory.path)/http.sock")
    try await withServer(address: address, { _ in .text("x") }) { running in
      let client = try await running.client()
      #expect(try await client.send("GET", "/").text == "x")
    }
  }

  @Test func `connections are spread over the loops`() async throws {
    let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { _ in
      .text(EventLoop.current.map { "\(ObjectIdentifier($0))" } ?? "none")
    }
    try await withServer(answer) { running in
      let first = try await running.client()
      let one = try await first.send("GET", "/").text
      let second = try await running.client()
      let other = try await second.send("GET", "/").text
      #expect(one != other)
    }
  }

  @Test func `a connection too many is turned away`() async throws {
    var limits = HTTPLimits()
    limits.connections = 1
    try await withServer(limits: limits, { _ in .text("x") }) { running in
      let first = try await running.client()
      #expect(try await first.send("GET", "/").status == 200)
      let second = try await running.client()
      #expect(try await second.response().status == 503)
      #expect(try await first.send("GET", "/").status == 200)
      await first.close()
      try await eventually("room for another connection") {
        let third = try await running.client()
        let head = try? await third.send("GET", "/")  // Turned away, it may be reset while sending.
        return head?.status == 200
      }
    }
  }
}
