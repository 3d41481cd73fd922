import Bytes
package import HTTP
package import Net

/// Why a server's answer could not be had.
package enum HTTPClientError: Error, Equatable, Sendable {
  /// The connection broke: what the server did of the request is not known.
  case connection(NetError)
  /// What the server sent is no answer.
  case malformed
  /// The connection ended within the answer.
  case ended
}

/// The head of a server's answer; its body is read from the connection.
package struct HTTPAnswer: Sendable {
  package var status: Int
  /// The fields in their order, names in lower case.
  package var fields: [(name: String, value: String)]

  /// The value of the first field called `name`, in lower case.
  package subscript(_ name: String) -> String? { fields.first { $0.name == name }?.value }
}

/// One request to an HTTP/1.1 server, and its answer, both of any length and never held whole.
///
/// Stays on the loop of its stream. What the command line needs to talk to a service, and no more: one request a connection, no redirects.
package final class HTTPClientConnection: @unchecked Sendable {
  private enum Framing {
    case length(Int)
    case chunks
    case untilClosed
    case none
  }

  private static let headBytes = 64 << 10
  private static let pieceBytes = 64 << 10
  private let stream: any ByteStream
  private let host: String
  /// How long the server may take over each piece.
  private let patience: Duration
  private var buffer: [UInt8] = []
  private var framing = Framing.none

  /// A client over a stream to `host`, which it owns from now on.
  package init(_ stream: any ByteStream, host: String, patience: Duration = .seconds(300)) {
    self.stream = stream
    self.host = host
    self.patience = patience
  }

  /// Closes the connection.
  package func close() { stream.close() }

  /// Sends a request and reads the head of the answer.
  ///
  /// The body is what `next` gives until nil; what it throws ends the request. A server that answers before it has read all is heard.
  package func send(
    _ method: HTTPMethod,
    _ target: String,
    _ fields: [(name: String, value: String)],
    body next: (() async throws -> [UInt8]?)? = nil
  ) async throws -> HTTPAnswer {
    var head = "\(method) \(target) HTTP/1.1\r\nHost: \(host)\r\nConnection: close\r\n"
    for field in fields { head += "\(field.name): \(field.value)\r\n" }
    if next != nil { head += "Transfer-Encoding: chunked\r\n" }
    try await write(Array("\(head)\r\n".utf8))
    guard let next, let failure = await upload(next) else { return try await readHead() }
    // It may have said why it reads no more.
    do {
      return try await readHead()
    } catch {
      throw failure
    }
  }

  /// Sends the body in chunks; why it was not sent whole.
  private func upload(_ next: () async throws -> [UInt8]?) async -> (any Error)? {
    do {
      while let piece = try await next() {
        if piece.isEmpty { continue }
        let size = Array("\(String(piece.count, radix: 16))\r\n".utf8)
        try await write(size + piece + [.cr, .lf])
      }
      try await write(Array("0\r\n\r\n".utf8))
      return nil
    } catch is HTTPClientError {
      return HTTPClientError.ended
    } catch {
      // What the source cannot give ends the request: nobody must take the part for the whole.
      stream.close()
      return error
    }
  }

  /// The next bytes of the answer's body; nil at its end.
  package func nextBytes() async throws(HTTPClientError) -> [UInt8]? {
    switch framing {
    case .none: return nil
    case .length(0):
      framing = .none
      return nil
    case .length(let left):
      let piece = try await take(upTo: left)
      framing = .length(left - piece.count)
      return piece
    case .untilClosed:
      let hasMore = try await hasBytes()
      guard hasMore else {
        framing = .none
        return nil
      }
      return try await take(upTo: .max)
    case .chunks:
      if chunk == 0 { chunk = try await chunkSize() }
      if chunk > 0 { return try await takeOfChunk() }
      try await skipTrailers()
      framing = .none
      return nil
    }
  }

  /// How much of the current chunk is left.
  private var chunk = 0

  private func takeOfChunk() async throws(HTTPClientError) -> [UInt8] {
    let piece = try await take(upTo: chunk)
    chunk -= piece.count
    if chunk == 0 {
      let rest = try await line()
      guard rest.isEmpty else { throw .malformed }
    }
    return piece
  }

  private func chunkSize() async throws(HTTPClientError) -> Int {
    let line = try await line()
    let digits = line.prefix { $0.hexValue != nil }
    guard !digits.isEmpty, digits.count < 16 else { throw .malformed }
    return digits.reduce(0) { $0 << 4 | Int($1.hexValue ?? 0) }
  }

  private func skipTrailers() async throws(HTTPClientError) {
    var line = try await line()
    while !line.isEmpty { line = try await self.line() }
  }

  private func hasBytes() async throws(HTTPClientError) -> Bool {
    if !buffer.isEmpty { return true }
    return try await fill()
  }
}

extension HTTPClientConnection {
  private func write(_ bytes: [UInt8]) async throws(HTTPClientError) {
    do throws(NetError) {
      try await stream.write(bytes, deadline: .after(patience))
    } catch {
      throw .connection(error)
    }
  }

  /// Reads more; false at the end of the connection.
  private func fill() async throws(HTTPClientError) -> Bool {
    do throws(NetError) {
      let bytes = try await stream.read(upTo: Self.pieceBytes, deadline: .after(patience))
      buffer += bytes
      return !bytes.isEmpty
    } catch {
      throw .connection(error)
    }
  }

  private func take(upTo limit: Int) async throws(HTTPClientError) -> [UInt8] {
    let hasMore = try await hasBytes()
    guard hasMore else { throw .ended }
    let piece = Array(buffer.prefix(limit))
    buffer.removeFirst(piece.count)
    return piece
  }

  private func line() async throws(HTTPClientError) -> [UInt8] {
    while true {
      if let end = buffer.firstIndex(of: .lf) {
        var line = Array(buffer[..<end])
        buffer.removeFirst(end + 1)
        if line.last == .cr { line.removeLast() }
        return line
      }
      guard buffer.count < Self.headBytes else { throw .malformed }
      let hasMore = try await fill()
      guard hasMore else { throw .ended }
    }
  }

  private func readHead() async throws(HTTPClientError) -> HTTPAnswer {
    var answer = try await readOneHead()
    // 100 Continue and its like come before the answer.
    while (100..<200).contains(answer.status) { answer = try await readOneHead() }
    if answer.status == 204 || answer.status == 304 {
      framing = .none
    } else if answer["transfer-encoding"]?.lowercased() == "chunked" {
      framing = .chunks
    } else if let text = answer["content-length"] {
      guard let length = Int(text), length >= 0 else { throw .malformed }
      framing = .length(length)
    } else {
      framing = .untilClosed
    }
    return answer
  }

  private func readOneHead() async throws(HTTPClientError) -> HTTPAnswer {
    var answer = try Self.answer(try await line())
    var bytes = 0
    while true {
      let line = try await line()
      if line.isEmpty { return answer }
      bytes += line.count
      guard bytes < Self.headBytes else { throw .malformed }
      try Self.add(line, to: &answer)
    }
  }

  /// The answer that a status line begins (RFC 9112 §4).
  private static func answer(_ line: [UInt8]) throws(HTTPClientError) -> HTTPAnswer {
    let parts = String(utf8: line.span).split(separator: " ", maxSplits: 2)
    guard parts.count >= 2, parts[0].hasPrefix("HTTP/1."), let code = Int(parts[1]) else {
      throw .malformed
    }
    return HTTPAnswer(status: code, fields: [])
  }

  private static func add(
    _ line: [UInt8],
    to answer: inout HTTPAnswer
  ) throws(HTTPClientError) {
    guard let colon = line.firstIndex(of: 0x3A) else { throw .malformed }
    let name = line[..<colon].map(\.asciiLowercased)
    let value = Array(line[(colon + 1)...].drop { $0.isBlank })
    answer.fields.append((String(utf8: name.span), String(utf8: value.span)))
  }
}
