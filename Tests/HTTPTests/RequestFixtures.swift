import Testing

/// Bytes on the wire, and what they are.
struct RequestFixture: CustomTestStringConvertible, Sendable {
  var wire: String
  /// As `Trace.description` writes it.
  var expected: String

  init(_ wire: String, _ expected: String) {
    self.wire = wire
    self.expected = expected
  }

  var testDescription: String { wire.debugDescription }
}

extension RequestFixture {
  static let accepted = [
    RequestFixture("GET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET / \"\""),
    RequestFixture("GET / HTTP/1.0\r\n\r\n", "GET / \"\""),
    RequestFixture("GET / HTTP/1.7\r\nHost:\r\n\r\n", "GET / \"\""),
    RequestFixture("BREW /pot HTTP/1.1\r\nHost: h\r\n\r\n", "BREW /pot \"\""),
    RequestFixture("GET   /a   HTTP/1.1\r\nHost: h\r\n\r\n", "GET /a \"\""),
    RequestFixture("\r\n\r\nGET / HTTP/1.1\r\nhOST:\t h \t\r\n\r\n", "GET / \"\""),
    RequestFixture("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "OPTIONS * \"\""),
    RequestFixture("GET http://h/a HTTP/1.1\r\nHost: h\r\n\r\n", "GET http://h/a \"\""),
    RequestFixture("CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n", "CONNECT h:1 \"\""),
    RequestFixture(
      "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
      "POST /a \"hello\""
    ),
    RequestFixture("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", "POST /a \"\""),
    RequestFixture(
      "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
      "POST /a \"hello\""
    ),
    RequestFixture(
      "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        + "1;a=\"x;y\"\r\nh\r\n004 ;b\r\nello\r\n000\r\nETag: x\r\nContent-Length: 9\r\n\r\n",
      "POST /a \"hello\""
    ),
    RequestFixture(
      "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n"
        + "hi\r\nPOST /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        + "2\r\nab\r\n0\r\n\r\nGET /4 HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /1 \"\" | POST /2 \"hi\" | POST /3 \"ab\" | GET /4 \"\""
    ),
  ]

  static let incomplete = [
    RequestFixture("GET", ""),
    RequestFixture("\r", ""),
    RequestFixture("GET / HTTP/1.1\r\nHost: h\r\n\r", ""),
    RequestFixture(
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhell",
      "POST / \"hell\" …"
    ),
    RequestFixture(
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
      "POST / \"hello\" …"
    ),
  ]

  /// Request lines, each of them refused.
  static let badLines = [
    RequestFixture("GET /\r\n\r\n", "failed 400"),
    RequestFixture("GET  HTTP/1.1\r\n\r\n", "failed 400"),
    RequestFixture(" / HTTP/1.1\r\n\r\n", "failed 400"),
    RequestFixture("\n\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "failed 400"),
    RequestFixture("\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "failed 400"),
    RequestFixture("\u{16}\u{3}\u{1}", "failed 400"),
    RequestFixture("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", "failed 400"),
    RequestFixture("GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", "failed 400"),
    RequestFixture("GET / HTTP/1.1 \r\nHost: h\r\n\r\n", "failed 400"),
    RequestFixture("GET / http/1.1\r\nHost: h\r\n\r\n", "failed 400"),
    RequestFixture("GET / HTTP/1.10\r\nHost: h\r\n\r\n", "failed 400"),
    RequestFixture("GET / HTTP/2.0\r\nHost: h\r\n\r\n", "failed 505"),
    RequestFixture("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "failed 505"),
    RequestFixture("GET / HTTP/1.1\nHost: h\n\n", "failed 400"),
    RequestFixture("GET / HTTP/1.1\rHost: h\r\n\r\n", "failed 400"),
    RequestFixture("GET * HTTP/1.1\r\nHost: h\r\n\r\n", "failed 400"),
    RequestFixture("GET a/b HTTP/1.1\r\nHost: h\r\n\r\n", "failed 400"),
    RequestFixture("GET file:///a HTTP/1.1\r\nHost: h\r\n\r\n", "failed 400"),
  ]

  /// Fields, each of them refused; a request line stands before them.
  static let badFields = [
    RequestFixture("", "failed 400"),
    RequestFixture("Host: a\r\nHost: a\r\n", "failed 400"),
    RequestFixture("Host: a b\r\n", "failed 400"),
    RequestFixture("Host: u@a\r\n", "failed 400"),
    RequestFixture("Host : h\r\n", "failed 400"),
    RequestFixture(" Host: h\r\n", "failed 400"),
    RequestFixture("Host: h\r\nA: b\r\n c\r\n", "failed 400"),
    RequestFixture("Host: h\r\n: b\r\n", "failed 400"),
    RequestFixture("Host: h\r\nA\r\n", "failed 400"),
    RequestFixture("Host: h\r\nA: b\rC: d\r\n", "failed 400"),
    RequestFixture("Host: h\r\nA: b\nC: d\r\n", "failed 400"),
    RequestFixture("Host: h\r\nA: b\u{0}\r\n", "failed 400"),
    RequestFixture("Host: h\r\nA: b\u{7F}\r\n", "failed 400"),
    RequestFixture("Host: h\r\n\rA: b\r\n", "failed 400"),
    RequestFixture("Host: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n", "failed 400"),
    RequestFixture("Host: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n", "failed 400"),
    RequestFixture("Host: h\r\nContent-Length: 1, 1\r\n", "failed 400"),
    RequestFixture("Host: h\r\nContent-Length:\r\n", "failed 400"),
    RequestFixture("Host: h\r\nContent-Length: +1\r\n", "failed 400"),
    RequestFixture("Host: h\r\nContent-Length: -1\r\n", "failed 400"),
    RequestFixture("Host: h\r\nContent-Length: 0x1\r\n", "failed 400"),
    RequestFixture("Host: h\r\nContent-Length: 1 1\r\n", "failed 400"),
    RequestFixture("Host: h\r\nContent-Length: 9223372036854775808\r\n", "failed 400"),
    RequestFixture("Host: h\r\nContent-Length: 99999999999999999999\r\n", "failed 400"),
    RequestFixture("Host: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", "failed 400"),
    RequestFixture("Host: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n", "failed 400"),
    RequestFixture("Host: h\r\nTransfer-Encoding:\r\n", "failed 400"),
    RequestFixture(
      "Host: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
      "failed 400"
    ),
    RequestFixture("Host: h\r\nTransfer-Encoding: gzip, chunked\r\n", "failed 501"),
    RequestFixture("Host: h\r\nTransfer-Encoding: chunked, identity\r\n", "failed 501"),
    RequestFixture("Host: h\r\nTransfer-Encoding: xchunked\r\n", "failed 501"),
    RequestFixture("Host: h\r\nExpect: the unexpected\r\n", "failed 417"),
  ]

  /// Chunked bodies, each of them refused after the bytes that came before the fault.
  static let badChunks = [
    RequestFixture("x\r\n", "POST / \"\" … | failed 400"),
    RequestFixture("\r\n", "POST / \"\" … | failed 400"),
    RequestFixture("-1\r\n", "POST / \"\" … | failed 400"),
    RequestFixture("0x1\r\n", "POST / \"\" … | failed 400"),
    RequestFixture("1 \r\na", "POST / \"\" … | failed 400"),
    RequestFixture("1\na", "POST / \"\" … | failed 400"),
    RequestFixture("1;\u{0}\r\na", "POST / \"\" … | failed 400"),
    RequestFixture("1;a\rb\r\na", "POST / \"\" … | failed 400"),
    RequestFixture("8000000000000000\r\n", "POST / \"\" … | failed 400"),
    RequestFixture("fffffffffffffffff\r\n", "POST / \"\" … | failed 400"),
    RequestFixture("1\r\nab\r\n", "POST / \"a\" … | failed 400"),
    RequestFixture("1\r\na\n0\r\n\r\n", "POST / \"a\" … | failed 400"),
    RequestFixture("0\r\nA : b\r\n\r\n", "POST / \"\" … | failed 400"),
    RequestFixture("0\r\n\n", "POST / \"\" … | failed 400"),
  ]

  static var all: [RequestFixture] {
    accepted + incomplete + badLines
      + badFields.map {
        RequestFixture("POST / HTTP/1.1\r\n\($0.wire)\r\n", $0.expected)
      }
      + badChunks.map {
        RequestFixture(
          "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\($0.wire)",
          $0.expected
        )
      }
  }
}
