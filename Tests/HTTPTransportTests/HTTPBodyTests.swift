import HTTP
import HTTPTransport
import Net
import Synchronization
import TestSupport
import Testing

@Suite("HTTP server: request bodies", .timeLimit(.minutes(6)))
struct HTTPRequestBodyTests {
  /// Answers with the body, or with the error that reading it was.
  private static let echo: @Sendable (HTTPRequest) async -> HTTPResponse = { request in
    do throws(HTTPBodyError) {
      return HTTPResponse(
        status: .ok,
        body: .bytes(try await request.body.collect(upTo: 1_000_000))
      )
    } catch {
      return HTTPResponse(status: .badRequest, body: .bytes(Array("\(error)".utf8)))
    }
  }

  @Test(arguments: [1, 100, 70_000, 1_000_000])
  func `a body with a length arrives whole`(count: Int) async throws {
    try await withServer(Self.echo) { running in
      let client = try await running.client()
      let body = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
      #expect(try await client.send("POST", "/", body: body).body == body)
      #expect(try await client.send("POST", "/").body.isEmpty)
    }
  }

  @Test func `a chunked body arrives whole, and another request after it`() async throws {
    try await withServer(Self.echo) { running in
      let client = try await running.client()
      for _ in 0..<2 {
        try await client.write("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in ["5\r\nhel", "lo\r\n6;x=y\r\n world", "\r", "\n0\r\nTrailer: x\r\n", "\r\n"] {
          try await client.write(piece)
        }
        #expect(try await client.response().text == "hello world")
      }
    }
  }

  @Test(arguments: [
    "Content-Length: 1000001\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\nF4241\r\n\(String(repeating: "a", count: 1_000_001))\r\n0\r\n\r\n",
  ])
  func `a body over the handler's limit is an error`(rest: String) async throws {
    try await withServer(Self.echo) { running in
      let client = try await running.client()
      try await client.write("POST / HTTP/1.1\r\nHost: h\r\n\(rest)")
      #expect(try await client.response().text == "tooLarge(limit: 1000000)")
    }
  }

  @Test func `a broken body is an error and ends the connection`() async throws {
    try await withServer(Self.echo) { running in
      let client = try await running.client()
      try await client.write(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
      )
      let response = try await client.response()
      #expect(response.text == "malformed")
      #expect(response["connection"] == "close")
      #expect(try await client.bytesUntilClosed().isEmpty)
    }
  }

  @Test func `a client that goes away within a body is an error`() async throws {
    let errors = Signal<HTTPBodyError>()
    let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { request in
      do throws(HTTPBodyError) {
        _ = try await request.body.collect(upTo: 100)
      } catch {
        errors.send(error)
      }
      return HTTPResponse(status: .ok)
    }
    try await withServer(answer) { running in
      let client = try await running.client()
      try await client.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
      await client.close()
      #expect(await errors.next() == .closed)
    }
  }

  @Test func `100 Continue comes when the handler asks for the body`() async throws {
    try await withServer(Self.echo) { running in
      let client = try await running.client()
      try await client.write(
        "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
      )
      #expect(try await client.responseHead().status == 100)
      try await client.write("hi")
      let response = try await client.response()
      #expect(response.text == "hi")
      #expect(response["connection"] == nil)
    }
  }

  @Test func `without a question there is no 100 Continue, and the connection closes`() async throws
  {
    try await withServer({ _ in HTTPResponse(status: .contentTooLarge) }) { running in
      let client = try await running.client()
      try await client.write(
        "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
      )
      let response = try await client.response()
      #expect(response.status == 413)
      #expect(response.interim.isEmpty)
      #expect(response["connection"] == "close")
      try await client.finishWriting()
      #expect(try await client.bytesUntilClosed().isEmpty)
    }
  }

  @Test func `a short body that nobody reads is dropped`() async throws {
    try await withServer({ .text($0.path) }) { running in
      let client = try await running.client()
      let body = [UInt8](repeating: 0x47, count: 100_000)
      #expect(try await client.send("POST", "/1", body: body).text == "/1")
      #expect(try await client.send("GET", "/2").text == "/2")
    }
  }

  @Test func `a long body that nobody reads ends the connection after the reply`() async throws {
    try await withServer({ .text($0.path) }) { running in
      let client = try await running.client()
      try await client.write("POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\nabc")
      let response = try await client.response()
      #expect(response.text == "/1")
      #expect(response["connection"] == "close")
      try await client.finishWriting()
      #expect(try await client.bytesUntilClosed().isEmpty)
    }
  }

  @Test func `a long body is read no faster than the handler asks`() async throws {
    let total = 64 << 20
    let ahead = 24 << 20  // The kernel's buffers on both sides, with much to spare.
    let sent = Atomic<Int>(0)
    let excess = Atomic<Int>(0)
    let largest = Atomic<Int>(0)
    try await withUploadServer(received: { read, piece in
      excess.max(sent.load(ordering: .relaxed) - read, ordering: .relaxed)
      largest.max(piece, ordering: .relaxed)
    }) { running in
      let client = try await running.client()
      try await client.write("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: \(total)\r\n\r\n")
      let piece = [UInt8](repeating: 0x61, count: 1 << 20)
      for _ in 0..<(total / piece.count) {
        try await client.write(piece)
        sent.add(piece.count, ordering: .relaxed)
      }
      #expect(try await client.response().text == "\(total)")
    }
    #expect(excess.load(ordering: .relaxed) < ahead)
    #expect(largest.load(ordering: .relaxed) <= HTTPLimits().readSize)
  }

  private func withUploadServer(
    received: @escaping @Sendable (Int, Int) -> Void,
    test: (RunningServer) async throws -> Void
  ) async throws {
    let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { request in
      var read = 0
      do throws(HTTPBodyError) {
        while let bytes = try await request.body.next() {
          read += bytes.count
          received(read, bytes.count)
        }
      } catch {
        return HTTPResponse(status: .badRequest)
      }
      return .text("\(read)")
    }
    try await withServer(answer, test: test)
  }
}

@Suite("HTTP server: streamed replies", .timeLimit(.minutes(6)))
struct HTTPStreamTests {
  @Test func `a stream of unknown length goes out in chunks`() async throws {
    let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { _ in
      .stream { writer in
        for text in ["one ", "", "two ", "three"] { try await writer.write(Array(text.utf8)) }
      }
    }
    try await withServer(answer) { running in
      let client = try await running.client()
      for _ in 0..<2 {
        let response = try await client.send("GET", "/")
        #expect(response["transfer-encoding"] == "chunked")
        #expect(response.text == "one two three")
      }
    }
  }

  @Test func `a stream of known length goes out as it is`() async throws {
    let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { _ in
      .stream(length: 6) { writer in
        for _ in 0..<3 { try await writer.write([0x61, 0x62]) }
      }
    }
    try await withServer(answer) { running in
      let client = try await running.client()
      for _ in 0..<2 {
        let response = try await client.send("GET", "/")
        #expect(response["content-length"] == "6")
        #expect(response.text == "ababab")
      }
    }
  }

  @Test(arguments: [nil, 10])
  func `a stream that fails breaks the connection off`(length: Int?) async throws {
    struct Failure: Error {}
    let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { _ in
      .stream(length: length) { writer in
        try await writer.write([0x61])
        throw Failure()
      }
    }
    try await withServer(answer) { running in
      let client = try await running.client()
      await #expect(throws: TestHTTPError.ended) { try await client.send("GET", "/") }
    }
  }

  @Test(arguments: [9, 11])
  func `a stream of another length than was said breaks the connection off`(
    count: Int
  ) async throws {
    let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { _ in
      .stream(length: 10) { writer in
        for _ in 0..<count { try await writer.write([0x61]) }
      }
    }
    try await withServer(answer) { running in
      let client = try await running.client()
      try await client.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
      let head = try await client.responseHead()
      #expect(head["content-length"] == "10")
      #expect(try await client.bytesUntilClosed().count <= 10)
    }
  }

  @Test func `a stream may read the request while it writes`() async throws {
    let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { request in
      .stream { writer in
        while let bytes = try await request.body.next() { try await writer.write(bytes) }
      }
    }
    try await withServer(answer) { running in
      let client = try await running.client()
      #expect(try await client.send("POST", "/", body: [1, 2, 3]).body == [1, 2, 3])
      #expect(try await client.send("POST", "/", body: [4]).body == [4])
    }
  }

  @Test func `a client that goes away is noticed on the next writes`() async throws {
    let errors = Signal<HTTPWriteError>()
    let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { _ in
      .stream { writer in
        do throws(HTTPWriteError) {
          while true { try await writer.write([UInt8](repeating: 0x61, count: 1000)) }
        } catch {
          errors.send(error)
          throw error
        }
      }
    }
    try await withServer(answer) { running in
      let client = try await running.client()
      try await client.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
      _ = try await client.responseHead()
      await client.close()
      #expect(await errors.next() == .closed)
    }
  }

  @Test func `a long stream is written no faster than the client reads`() async throws {
    let total = 64 << 20
    let ahead = 24 << 20  // The kernel's buffers on both sides, with much to spare.
    let written = Mutex(0)
    let excess = Mutex(0)
    let answer: @Sendable (HTTPRequest) async -> HTTPResponse = { _ in
      .stream(length: total) { writer in
        let piece = [UInt8](repeating: 0x61, count: 64 << 10)
        for _ in 0..<(total / piece.count) {
          try await writer.write(piece)
          written.withLock { $0 += piece.count }
        }
      }
    }
    try await withServer(answer) { running in
      let client = try await running.client()
      try await client.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
      _ = try await client.responseHead()
      var read = 0
      while read < total {
        let ahead = written.withLock { $0 } - read
        excess.withLock { $0 = max($0, ahead) }
        read += try await client.bytes().count
      }
      #expect(read == total)
    }
    #expect(excess.withLock { $0 } < ahead)
  }
}
