import HTTP
import Testing

@Suite("HTTP/1.1 requests (RFC 9112)", .timeLimit(.minutes(6)))
struct HTTPServerConnectionTests {
  @Test(arguments: RequestFixture.all)
  func `a request is read, or refused, as its fixture says`(fixture: RequestFixture) {
    #expect(Trace(fixture.wire).description == fixture.expected)
  }

  @Test(arguments: RequestFixture.all)
  func `it makes no difference where the bytes are cut`(fixture: RequestFixture) {
    let wire = Array(fixture.wire.utf8)
    for cut in 0...wire.count {
      #expect(Trace(wire, cutAt: cut).description == fixture.expected)
    }
    #expect(Trace(wire, piece: 1).description == fixture.expected)
  }

  @Test func `nothing is read past a request until its reply is sent`() {
    var connection = HTTPServerConnection()
    connection.receive(
      Array("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n".utf8)
    )
    guard case .head = connection.next(), case .end = connection.next() else {
      Issue.record("The first request was not read.")
      return
    }
    #expect(connection.next() == nil)
    #expect(connection.isComplete)
    connection.startNextRequest()
    guard case .head(let head) = connection.next() else {
      Issue.record("The second request was not read.")
      return
    }
    #expect(head.path == "/2")
  }

  @Test func `a connection is idle between requests and not within one`() {
    var connection = HTTPServerConnection()
    #expect(connection.isIdle)
    connection.receive([0x47])
    #expect(connection.next() == nil)
    #expect(!connection.isIdle)
  }

  @Test func `what follows a failure is not read`() {
    let wire = "GET / HTTP/3.0\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"
    #expect(Trace(wire).description == "failed 505")
  }

  @Test func `the rest of a body is known where its length is`() {
    var connection = HTTPServerConnection()
    connection.receive(Array("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc".utf8))
    _ = connection.next()
    #expect(connection.remainingLength == 9)
    _ = connection.next()
    #expect(connection.remainingLength == 6)
  }
}

@Suite("HTTP limits", .timeLimit(.minutes(6)))
struct HTTPLimitsTests {
  private var limits: HTTPLimits {
    var limits = HTTPLimits()
    limits.requestLine = 40
    limits.fieldSection = 60
    limits.fieldCount = 3
    limits.chunkExtensions = 20
    return limits
  }

  private func trace(_ wire: String) -> [String] {
    let bytes = Array(wire.utf8)
    return [Trace(bytes, limits: limits), Trace(bytes, piece: 1, limits: limits)].map(\.description)
  }

  @Test func `a request line of just the limit is read and a longer one is 414`() {
    let fitting = String(repeating: "a", count: 40 - "GET / HTTP/1.1".count)
    let rest = " HTTP/1.1\r\nHost: h\r\n\r\n"
    #expect(trace("GET /\(fitting)\(rest)") == ["GET /\(fitting) \"\"", "GET /\(fitting) \"\""])
    #expect(trace("GET /\(fitting)a\(rest)") == ["failed 414", "failed 414"])
  }

  @Test func `an endless request line is refused before it ends`() {
    #expect(trace(String(repeating: "A", count: 100)) == ["failed 414", "failed 414"])
  }

  @Test func `too many fields are 431`() {
    let fields = "Host: h\r\na: 1\r\nb: 2\r\n"
    let fine = "GET / \"\""
    #expect(trace("GET / HTTP/1.1\r\n\(fields)\r\n") == [fine, fine])
    #expect(trace("GET / HTTP/1.1\r\n\(fields)c: 3\r\n\r\n") == ["failed 431", "failed 431"])
  }

  @Test func `too many bytes of fields are 431 before they end`() {
    let fields = "Host: h\r\na: \(String(repeating: "x", count: 60))"
    #expect(trace("GET / HTTP/1.1\r\n\(fields)") == ["failed 431", "failed 431"])
  }

  @Test func `trailers count as fields do`() {
    let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    let many = "a: 1\r\nb: 2\r\nc: 3\r\nd: 4\r\n\r\n"
    let long = "a: \(String(repeating: "x", count: 70))"
    let refused = "POST / \"\" … | failed 431"
    #expect(trace(head + many) == [refused, refused])
    #expect(trace(head + long) == [refused, refused])
  }

  @Test func `chunk extensions count over the whole body`() {
    let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    let chunk = "1;abcdefghi\r\nx\r\n"
    let fine = "POST / \"xx\""
    #expect(trace("\(head)\(chunk)\(chunk)0\r\n\r\n") == [fine, fine])
    let many = String(repeating: chunk, count: 8)
    for description in trace(head + many) {
      #expect(description.hasSuffix("failed 400"))
    }
    let long = trace("\(head)1;\(String(repeating: "a", count: 60))")
    #expect(long == ["POST / \"\" … | failed 400", "POST / \"\" … | failed 400"])
  }
}
