import Bytes
import HTTP
package import Net

/// A response as a test sees it.
package struct TestHTTPResponse: Sendable {
  /// The status code.
  package var status: Int
  /// The fields, their names in lower case.
  package var fields: [(name: String, value: String)]
  /// The body, its chunks joined.
  package var body: [UInt8]
  /// The status codes of the interim responses before it.
  package var interim: [Int]

  /// The value of the first field called `name`, in lower case.
  package subscript(_ name: String) -> String? {
    fields.first { $0.name == name }?.value
  }

  /// The body as text.
  package var text: String { String(decoding: body, as: UTF8.self) }
}

/// What a response was not.
package enum TestHTTPError: Error, Equatable {
  /// The connection ended before the response was whole.
  case ended
  /// The bytes are no response.
  case malformed(String)
}

/// A small HTTP/1.1 client over one connection that stays open, for tests only.
///
///     let client = try await TestHTTPClient(connectingTo: server.localAddress, group: group)
///     let response = try await client.send("GET", "/healthz")
///
/// Each call runs on the connection's loop, whatever the test runs on. Waits end after 30 seconds.
package final class TestHTTPClient: @unchecked Sendable {  // Its state stays on its loop.
  private let loop: EventLoop
  private let stream: SocketStream
  private var buffer: [UInt8] = []

  /// Connects to a server.
  package init(connectingTo address: SocketAddress, group: EventLoopGroup) async throws {
    let loop = group.next()
    self.loop = loop
    stream = try await Task(executorPreference: loop) {
      try await SocketStream.connect(to: address, deadline: .after(.seconds(10)))
    }.value
  }

  /// Sends a request with a `Content-Length` where there is a body, and reads the response.
  package func send(
    _ method: String,
    _ path: String,
    _ fields: [(String, String)] = [],
    body: [UInt8] = []
  ) async throws -> TestHTTPResponse {
    var head = "\(method) \(path) HTTP/1.1\r\nHost: test\r\n"
    for (name, value) in fields { head += "\(name): \(value)\r\n" }
    if !body.isEmpty { head += "Content-Length: \(body.count)\r\n" }
    try await write(Array("\(head)\r\n".utf8) + body)
    return try await response(toHead: method == "HEAD")
  }

  /// Writes bytes as they are.
  package func write(_ bytes: [UInt8]) async throws {
    try await onLoop { client in
      try await client.stream.write(bytes, deadline: .after(.seconds(30)))
    }
  }

  /// Writes text as it is.
  package func write(_ text: String) async throws {
    try await write(Array(text.utf8))
  }

  /// Reads one whole response, interim ones before it included.
  package func response(toHead isHead: Bool = false) async throws -> TestHTTPResponse {
    try await onLoop { client in
      var response = try await client.readHead()
      var interim: [Int] = []
      while response.status < 200 {
        interim.append(response.status)
        response = try await client.readHead()
      }
      response.interim = interim
      if !isHead { response.body = try await client.readBody(of: response) }
      return response
    }
  }

  /// Reads the head of a response and leaves its body unread.
  package func responseHead() async throws -> TestHTTPResponse {
    try await onLoop { try await $0.readHead() }
  }

  /// The next bytes, as they come; empty at the end of the connection.
  package func bytes(upTo limit: Int = 65_536) async throws -> [UInt8] {
    try await onLoop { client in
      if client.buffer.isEmpty { _ = try await client.fill() }
      let taken = Array(client.buffer.prefix(limit))
      client.buffer.removeFirst(taken.count)
      return taken
    }
  }

  /// Reads until the server closes; a reset counts as closed.
  package func bytesUntilClosed() async throws -> [UInt8] {
    try await onLoop { client in
      do {
        while try await client.fill() {}
      } catch NetError.closed {}
      defer { client.buffer = [] }
      return client.buffer
    }
  }

  /// Says that nothing more is sent; responses can still be read.
  package func finishWriting() async throws {
    try await onLoop { $0.stream.finishWriting() }
  }

  /// Closes the connection.
  package func close() async {
    await Task(executorPreference: loop) { self.stream.close() }.value
  }

  private func onLoop<R: Sendable>(
    _ body: @escaping @Sendable (TestHTTPClient) async throws -> R
  ) async throws -> R {
    try await Task(executorPreference: loop) { try await body(self) }.value
  }
}

// MARK: - Reading, on the loop

extension TestHTTPClient {
  /// Reads more; false at the end of the connection.
  private func fill() async throws -> Bool {
    let bytes = try await stream.read(upTo: 65_536, deadline: .after(.seconds(30)))
    buffer += bytes
    return !bytes.isEmpty
  }

  private func line() async throws -> String {
    while true {
      if let end = buffer.firstIndex(of: .lf) {
        guard end > 0, buffer[end - 1] == .cr else {
          throw TestHTTPError.malformed("A line ends without CR.")
        }
        defer { buffer.removeFirst(end + 1) }
        return String(decoding: buffer[..<(end - 1)], as: UTF8.self)
      }
      guard try await fill() else { throw TestHTTPError.ended }
    }
  }

  private func take(_ count: Int) async throws -> [UInt8] {
    while buffer.count < count {
      guard try await fill() else { throw TestHTTPError.ended }
    }
    defer { buffer.removeFirst(count) }
    return Array(buffer[..<count])
  }

  private func readHead() async throws -> TestHTTPResponse {
    let status = try await line()
    let parts = status.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0] == "HTTP/1.1", let code = Int(parts[1]) else {
      throw TestHTTPError.malformed(status)
    }
    var fields: [(name: String, value: String)] = []
    while true {
      let line = try await line()
      if line.isEmpty { break }
      guard let colon = line.firstIndex(of: ":") else { throw TestHTTPError.malformed(line) }
      let value = line[line.index(after: colon)...].drop { $0 == " " }
      fields.append((line[..<colon].lowercased(), String(value)))
    }
    return TestHTTPResponse(status: code, fields: fields, body: [], interim: [])
  }

  private func readBody(of response: TestHTTPResponse) async throws -> [UInt8] {
    if response.status == 204 || response.status == 304 { return [] }
    if response["transfer-encoding"] == "chunked" { return try await readChunks() }
    if let text = response["content-length"] {
      guard let count = Int(text) else { throw TestHTTPError.malformed(text) }
      return try await take(count)
    }
    while try await fill() {}
    defer { buffer = [] }
    return buffer
  }

  private func readChunks() async throws -> [UInt8] {
    var body: [UInt8] = []
    while true {
      let text = try await line()
      guard let size = Int(text, radix: 16) else { throw TestHTTPError.malformed(text) }
      body += try await take(size)
      guard try await line().isEmpty else { throw TestHTTPError.malformed("A chunk is too long.") }
      if size == 0 { return body }
    }
  }
}
