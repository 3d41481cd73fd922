package import Bytes
package import Net

/// A stream of server-sent events as a test reads it: one connection, chunks joined, blocks parsed.
package final class TestEventStream {
  /// One event, or a bare id.
  package struct Block: Sendable {
    package var id: String?
    package var event: String?
    package var data: String?
    package var comment: String?
  }

  private let client: TestHTTPClient
  private var bytes: [UInt8] = []
  private var text: [UInt8] = []
  private var isFinished = false
  /// The id of the last block that had one, as a client would send it when it connects again.
  package private(set) var lastID: String?
  /// The status of the answer.
  package let status: Int
  /// The fields of the answer.
  package let head: TestHTTPResponse

  /// Opens the stream at `path`.
  package init(
    _ path: String,
    token: String,
    lastEventID: String? = nil,
    at address: SocketAddress,
    group: EventLoopGroup
  ) async throws {
    client = try await TestHTTPClient(connectingTo: address, group: group)
    var request = "GET \(path) HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer \(token)\r\n"
    if let lastEventID { request += "Last-Event-ID: \(lastEventID)\r\n" }
    try await client.write(request + "\r\n")
    head = try await client.responseHead()
    status = head.status
  }

  /// The next block; nil at the end of the stream.
  package func block() async throws -> Block? {
    while true {
      if let block = takeBlock() { return block }
      guard try await fill() else { return nil }
    }
  }

  /// The data of the next event called `change`, as JSON; nil at the end of the stream.
  package func change() async throws -> JSONValue? {
    while let block = try await block() {
      guard block.event == "change", let data = block.data else { continue }
      let bytes = Array(data.utf8)
      return try JSONReader.parse(bytes.span)
    }
    return nil
  }

  /// Closes the connection.
  package func close() async { await client.close() }

  private func takeBlock() -> Block? {
    let end: [UInt8] = [0x0A, 0x0A]
    guard let range = text.firstRange(of: end) else { return nil }
    let lines = String(decoding: text[..<range.lowerBound], as: UTF8.self).split(separator: "\n")
    text.removeFirst(range.upperBound)
    var block = Block()
    for line in lines {
      let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      let value = parts.count > 1 ? String(parts[1].drop { $0 == " " }) : ""
      switch parts[0] {
      case "": block.comment = value
      case "id": block.id = value
      case "event": block.event = value
      case "data": block.data = value
      default: break
      }
    }
    lastID = block.id ?? lastID
    return block
  }

  /// Reads more and takes the whole chunks out of it; false at the end.
  private func fill() async throws -> Bool {
    if isFinished { return false }
    let more = try await client.bytes()
    if more.isEmpty {
      isFinished = true
      return false
    }
    bytes += more
    let crlf: [UInt8] = [0x0D, 0x0A]
    while let line = bytes.firstRange(of: crlf) {
      let size = Int(String(decoding: bytes[..<line.lowerBound], as: UTF8.self), radix: 16)
      guard let size else { throw TestHTTPError.malformed("no size of a chunk") }
      if size == 0 {
        isFinished = true
        break
      }
      guard bytes.count >= line.upperBound + size + 2 else { break }
      text += bytes[line.upperBound..<(line.upperBound + size)]
      bytes.removeFirst(line.upperBound + size + 2)
    }
    return true
  }
}

extension TestService {
  /// Opens a stream of events with the administrator's token, or another.
  package func events(
    _ path: String = "/v1/events",
    token: String? = nil,
    lastEventID: String? = nil
  ) async throws -> TestEventStream {
    try await TestEventStream(
      path,
      token: token ?? adminToken,
      lastEventID: lastEventID,
      at: address,
      group: group
    )
  }
}
