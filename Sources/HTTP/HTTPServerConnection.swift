import Bytes

/// The server's side of an HTTP/1.1 connection: bytes in, events out, no I/O (RFC 9112).
///
///     receive("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhiGET …")
///     next() → .head(POST /a)   next() → .body("hi")   next() → .end   next() → nil
///     startNextRequest()        next() → .head(GET …)
///
/// Each request is one `.head`, any number of `.body` and one `.end`; nil means that more bytes are needed, or,
/// after `.end`, that `startNextRequest` must be called, once the reply is sent. `.failed` comes once: what
/// follows cannot be told apart any more, so the connection must be answered and closed.
///
///     state        reads                    goes to
///     head         up to the empty line     end | body | chunkSize, by the framing of the head
///     body(n)      n bytes                  end
///     chunkSize    one line                 chunkData(n) | trailers, after the chunk of size 0
///     chunkData(n) n bytes                  chunkEnd
///     chunkEnd     CRLF                     chunkSize
///     trailers     lines to an empty one    end
///     end          nothing                  complete
///     complete     nothing                  head, by startNextRequest
///     failed       nothing                  never leaves
package struct HTTPServerConnection: Sendable {
  /// What came from the client.
  package enum Event: Sendable {
    /// A request begins.
    case head(RequestHead)
    /// Bytes of its body, never none.
    case body([UInt8])
    /// The request is whole.
    case end
    /// What came is no request.
    case failed(HTTPProtocolError)
  }

  private enum State: Sendable {
    case head
    case body(Int)
    case chunkSize
    case chunkData(Int)
    case chunkEnd
    case trailers
    case end
    case complete
    case failed
  }

  private let limits: HTTPLimits
  private var state = State.head
  private var input = InputQueue()
  private var chunks = ChunkCounters()
  private var skippedLines = 0
  private var headScan = HeadScan()

  /// A fresh connection.
  package init(limits: HTTPLimits = HTTPLimits()) {
    self.limits = limits
  }

  /// Whether no request is under way and not a byte of one is there.
  package var isIdle: Bool {
    if case .head = state { return input.isEmpty }
    return false
  }

  /// Whether a request is whole and waits for `startNextRequest`.
  package var isComplete: Bool {
    if case .complete = state { return true }
    return false
  }

  /// How many received bytes were not yet read.
  package var buffered: Int { input.count }

  /// How many bytes are left of a body whose length is known; nil for chunks, 0 where the request is whole.
  package var remainingLength: Int? {
    switch state {
    case .body(let count): count
    case .chunkSize, .chunkData, .chunkEnd, .trailers: nil
    default: 0
    }
  }

  /// Takes bytes from the socket, in any pieces.
  package mutating func receive(_ bytes: [UInt8]) {
    input.append(bytes)
  }

  /// Goes on to the next request, whose bytes may be there already; call it after `.end`.
  package mutating func startNextRequest() {
    guard case .complete = state else { return }
    state = .head
    skippedLines = 0
    headScan = HeadScan()
    chunks = ChunkCounters()
  }

  /// The next event; nil where more bytes are needed.
  package mutating func next() -> Event? {
    do throws(HTTPProtocolError) {
      return try advance()
    } catch {
      state = .failed
      input = InputQueue()
      return .failed(error)
    }
  }

  /// Takes one step after another until there is an event or nothing more to read.
  private mutating func advance() throws(HTTPProtocolError) -> Event? {
    while true {
      switch state {
      case .head:
        guard let head = try readHead() else { return nil }
        state = stateAfter(head)
        return .head(head)
      case .body(let count):
        guard let bytes = input.take(upTo: count) else { return nil }
        state = bytes.count == count ? .end : .body(count - bytes.count)
        return .body(bytes)
      case .chunkSize:
        guard let size = try readChunkSize() else { return nil }
        state = size == 0 ? .trailers : .chunkData(size)
      case .chunkData(let count):
        guard let bytes = input.take(upTo: count) else { return nil }
        state = bytes.count == count ? .chunkEnd : .chunkData(count - bytes.count)
        return .body(bytes)
      case .chunkEnd:
        guard try readChunkEnd() else { return nil }
        state = .chunkSize
      case .trailers:
        guard try readTrailers() else { return nil }
        state = .end
      case .end:
        state = .complete
        return .end
      case .complete, .failed:
        return nil
      }
    }
  }

  private func stateAfter(_ head: RequestHead) -> State {
    switch head.framing {
    case .none: .end
    case .length(let count): .body(count)
    case .chunked: .chunkSize
    }
  }
}

// MARK: - The head

extension HTTPServerConnection {
  /// How far the search for the end of the head has come, as offsets from the first byte of the head.
  private struct HeadScan {
    var lineStart = 0
    var searched = 0
    var requestLineEnd: Int?
    var lines = 0
  }

  private mutating func readHead() throws(HTTPProtocolError) -> RequestHead? {
    if headScan.lines == 0 { try skipEmptyLines() }
    guard !input.isEmpty else { return nil }
    guard let count = try findHeadEnd() else { return nil }
    guard let bytes = input.take(exactly: count) else { return nil }
    var parser = RequestHeadParser(limits: limits)
    return try parser.parse(bytes)
  }

  /// Skips a few empty lines before a request, which some old clients send after a body (RFC 9112 §2.2).
  private mutating func skipEmptyLines() throws(HTTPProtocolError) {
    while let first = input[0], !first.isTokenByte {
      guard first == .cr, skippedLines < 4 else {
        throw HTTPProtocolError(400, "What came does not begin as a request.")
      }
      guard let second = input[1] else { return }
      guard second == .lf else { throw HTTPProtocolError(400, "A bare CR precedes the request.") }
      input.skip(2)
      skippedLines += 1
      headScan = HeadScan()
    }
  }

  /// The length of the head with its empty line; nil while that has not come.
  ///
  /// It checks the limits on the way, so that an endless head is refused before it ends.
  private mutating func findHeadEnd() throws(HTTPProtocolError) -> Int? {
    while let lineEnd = input.firstLineFeed(from: headScan.searched) {
      let length = lineEnd - headScan.lineStart
      headScan.searched = lineEnd + 1
      if headScan.requestLineEnd == nil {
        guard length <= limits.requestLine + 1 else { throw requestLineTooLong }
        headScan.requestLineEnd = lineEnd + 1
      } else if length == 0 || (length == 1 && input[headScan.lineStart] == .cr) {
        try checkSection(end: lineEnd + 1)
        return lineEnd + 1
      }
      headScan.lineStart = lineEnd + 1
      headScan.lines += 1
      try checkSection(end: lineEnd + 1)
    }
    headScan.searched = input.count
    if headScan.requestLineEnd == nil, input.count > limits.requestLine + 1 {
      throw requestLineTooLong
    }
    try checkSection(end: input.count)
    return nil
  }

  private func checkSection(end: Int) throws(HTTPProtocolError) {
    guard let start = headScan.requestLineEnd else { return }
    guard end - start <= limits.fieldSection, headScan.lines <= limits.fieldCount + 1 else {
      throw fieldsTooLarge
    }
  }

  private var requestLineTooLong: HTTPProtocolError {
    HTTPProtocolError(414, "The request line is longer than \(limits.requestLine) bytes.")
  }

  private var fieldsTooLarge: HTTPProtocolError {
    HTTPProtocolError(
      431,
      "There are more than \(limits.fieldCount) fields or \(limits.fieldSection) bytes of them."
    )
  }
}

// MARK: - Chunks (RFC 9112 §7.1)

extension HTTPServerConnection {
  /// What one chunked body has used of its limits.
  private struct ChunkCounters {
    var extensions = 0
    var trailers = 0
    var trailerLines = 0
    var searched = 0
  }

  /// The next line with its line end; nil while it has not come whole.
  private mutating func readLine(
    limit: Int,
    orThrow error: HTTPProtocolError
  ) throws(HTTPProtocolError) -> [UInt8]? {
    guard let lineEnd = input.firstLineFeed(from: chunks.searched) else {
      chunks.searched = input.count
      guard input.count <= limit else { throw error }
      return nil
    }
    chunks.searched = 0
    guard lineEnd < limit else { throw error }
    return input.take(exactly: lineEnd + 1)
  }

  /// `chunk-size [ chunk-ext ] CRLF`; extensions are passed over, and counted against their limit.
  private mutating func readChunkSize() throws(HTTPProtocolError) -> Int? {
    let tooLong = HTTPProtocolError(400, "The chunk extensions are too long.")
    let limit = limits.chunkExtensions - chunks.extensions + 18
    guard let line = try readLine(limit: limit, orThrow: tooLong) else { return nil }
    var reader = ByteReader(line.span)
    let size = try reader.requireChunkSize()
    chunks.extensions += line.count - size.digits - 2
    return size.value
  }

  private mutating func readChunkEnd() throws(HTTPProtocolError) -> Bool {
    guard let first = input[0] else { return false }
    guard first == .cr else { throw HTTPProtocolError(400, "A chunk is longer than it said.") }
    guard let second = input[1] else { return false }
    guard second == .lf else { throw HTTPProtocolError(400, "A bare CR follows a chunk.") }
    input.skip(2)
    return true
  }

  /// Reads the trailer section to its end and drops it: no field of it may change what was decided.
  private mutating func readTrailers() throws(HTTPProtocolError) -> Bool {
    while true {
      let limit = limits.fieldSection - chunks.trailers
      guard let line = try readLine(limit: limit, orThrow: fieldsTooLarge) else { return false }
      if line == [.cr, .lf] { return true }
      chunks.trailers += line.count
      chunks.trailerLines += 1
      guard chunks.trailerLines <= limits.fieldCount else { throw fieldsTooLarge }
      var reader = ByteReader(line.span)
      _ = try reader.requireFieldLine()
    }
  }
}

extension ByteReader {
  /// Consumes `1*HEXDIG [ chunk-ext ] CRLF`, where an extension is only checked for control characters.
  mutating func requireChunkSize() throws(HTTPProtocolError) -> (value: Int, digits: Int) {
    var value = 0
    let start = position
    while let digit = next?.hexValue {
      guard value <= Int.max >> 4 else { throw HTTPProtocolError(400, "A chunk is too large.") }
      value = value << 4 | Int(digit)
      skip(1)
    }
    let digits = position - start
    guard digits > 0 else { throw HTTPProtocolError(400, "A chunk has no size.") }
    let blanks = take(while: { $0.isBlank })
    if consume(0x3B) {
      _ = take(while: { $0.isFieldValueByte })
    } else if !blanks.isEmpty {
      throw HTTPProtocolError(400, "A blank follows the size of a chunk.")
    }
    guard consume(.cr), consume(.lf), isAtEnd else {
      throw HTTPProtocolError(400, "The size of a chunk is not a hexadecimal number.")
    }
    return (value, digits)
  }
}
