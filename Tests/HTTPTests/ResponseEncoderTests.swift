import Bytes
import HTTP
import Testing

@Suite("Responses on the wire") struct ResponseEncoderTests {
  private func encoded(
    _ status: HTTPStatus,
    _ fields: HTTPFields = HTTPFields(),
    _ framing: ResponseFraming,
    closes: Bool = false,
    version: HTTPVersion = .http11
  ) throws(HTTPEncodingError) -> String {
    let head = try ResponseEncoder.head(
      status,
      fields: fields,
      framing: framing,
      closes: closes,
      version: version,
      date: Array("now".utf8)
    )
    return String(utf8: head.span)
  }

  @Test func `a head has status, date, fields and length`() throws {
    #expect(
      try encoded(200, ["A": "b", "A": "c"], .length(12))
        == "HTTP/1.1 200 OK\r\nDate: now\r\nA: b\r\nA: c\r\nContent-Length: 12\r\n\r\n"
    )
    #expect(try encoded(299, [:], .none) == "HTTP/1.1 299 \r\nDate: now\r\n\r\n")
  }

  @Test func `what is said of the connection follows version and end`() throws {
    #expect(try encoded(200, [:], .chunked).hasSuffix("now\r\nTransfer-Encoding: chunked\r\n\r\n"))
    #expect(
      try encoded(200, [:], .none, closes: true).hasSuffix("now\r\nConnection: close\r\n\r\n")
    )
    #expect(
      try encoded(200, [:], .none, version: .http10).hasSuffix(
        "now\r\nConnection: keep-alive\r\n\r\n"
      )
    )
    #expect(
      try encoded(200, [:], .untilClose, closes: true, version: .http10)
        .hasSuffix("now\r\nConnection: close\r\n\r\n")
    )
  }

  @Test func `a handler cannot frame the message`() throws {
    let fields: HTTPFields = [
      "content-LENGTH": "9", "Transfer-Encoding": "x", "Connection": "y", "Date": "z", "A": "b",
    ]
    #expect(
      try encoded(200, fields, .length(1))
        == "HTTP/1.1 200 OK\r\nDate: now\r\nA: b\r\nContent-Length: 1\r\n\r\n"
    )
  }

  @Test(arguments: ["a\r\nb: c", "a\rb", "a\nb", "a\u{0}b", "\u{7F}", "\u{1B}"])
  func `a value that could break the framing is refused`(value: String) {
    #expect(throws: HTTPEncodingError.badFieldValue) { try encoded(200, ["A": value], .none) }
  }

  @Test(arguments: ["", "a b", "a:", "a\r\nb", "é"])
  func `a name that is no token is refused`(name: String) {
    #expect(throws: HTTPEncodingError.badFieldName) {
      try encoded(200, HTTPFields(dictionaryLiteral: (name, "x")), .none)
    }
  }

  @Test func `a chunk has its size in hexadecimal`() {
    #expect(ResponseEncoder.chunk([0x61]) == Array("1\r\na\r\n".utf8))
    let long = [UInt8](repeating: 0x61, count: 0x1A2)
    #expect(ResponseEncoder.chunk(long) == Array("1a2\r\n".utf8) + long + [0x0D, 0x0A])
  }

  @Test func `fields are set and removed in any case`() {
    var fields: HTTPFields = ["A": "1", "b": "2", "a": "3"]
    fields.set("a", "4")
    #expect(fields == ["B": "2", "a": "4"])
    fields.remove("b")
    fields.append("c", constant: "5")
    #expect(fields == ["A": "4", "C": "5"])
    #expect(fields != ["A": "4", "C": "6"])
  }

  @Test(
    arguments: [
      (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
      (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
      (4_102_444_799, "Thu, 31 Dec 2099 23:59:59 GMT"),
    ] as [(Int64, String)]
  )
  func `a date is written as RFC 9110 asks`(seconds: Int64, expected: String) {
    #expect(String(utf8: HTTPDate.format(seconds).span) == expected)
  }
}
