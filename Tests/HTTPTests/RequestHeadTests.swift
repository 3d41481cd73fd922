import Bytes
import HTTP
import Testing

@Suite("The head of a request") struct RequestHeadTests {
  private func head(
    _ fields: String,
    method: String = "POST",
    version: String = "1.1"
  ) throws -> RequestHead {
    try #require(parsedHead("\(method) /a HTTP/\(version)\r\nHost: h\r\n\(fields)\r\n"))
  }

  @Test func `fields keep their order and are found in any case`() throws {
    let head = try head("ACCEPT:  a \r\nX: 1\r\nx: 2\r\nEmpty:\r\n")
    #expect(head.fields["accept"] == "a")
    #expect(head.fields["x"] == "1")
    #expect(head.fields.values(of: "x") == ["1", "2"])
    #expect(head.fields.list("x") == "1, 2")
    #expect(head.fields["empty"] == "")
    #expect(head.fields["absent"] == nil)
    #expect(head.fields.count == 5)
  }

  @Test func `a token is found in a list, whole and in any case`() throws {
    let fields = try head("A: one, TWO\r\nA: three\r\n").fields
    #expect(fields.hasToken("two", in: "a"))
    #expect(fields.hasToken("three", in: "a"))
    #expect(!fields.hasToken("tw", in: "a"))
  }

  @Test(arguments: [
    ("1.1", "", true), ("1.1", "Connection: close\r\n", false),
    ("1.1", "Connection: x, Close\r\n", false),
    ("1.0", "", false), ("1.0", "Connection: Keep-Alive\r\n", true),
    ("1.0", "Connection: keep-alive, close\r\n", false),
  ])
  func `whether a connection stays open follows version and Connection`(
    version: String,
    fields: String,
    expected: Bool
  ) throws {
    #expect(try head(fields, version: version).keepsAlive == expected)
  }

  @Test(arguments: [
    ("", RequestFraming.none), ("Content-Length: 0\r\n", .none),
    ("Content-Length: 007\r\n", .length(7)), ("Transfer-Encoding: CHUNKED\r\n", .chunked),
  ])
  func `the framing follows the fields`(fields: String, expected: RequestFraming) throws {
    #expect(try head(fields).framing == expected)
  }

  @Test func `a client waits for 100 only with a body and HTTP 1.1`() throws {
    let expect = "Expect: 100-Continue\r\n"
    #expect(try head("\(expect)Content-Length: 1\r\n").expectsContinue)
    #expect(try !head(expect).expectsContinue)
    #expect(try !head("\(expect)Content-Length: 1\r\n", version: "1.0").expectsContinue)
  }
}

@Suite("Request targets") struct RequestTargetTests {
  @Test(arguments: [
    ("/", "/", []), ("/a", "/a", ["a"]), ("/a/", "/a/", ["a", ""]), ("//", "//", ["", ""]),
    ("/a%2Fb/c%20d?x", "/a%2Fb/c%20d", ["a/b", "c d"]), ("/a+b#c/d", "/a+b", ["a+b"]),
    ("http://h", "/", []), ("http://h?x=/y", "/", []), ("https://h:1/a/b?c", "/a/b", ["a", "b"]),
    ("/%C3%A9", "/%C3%A9", ["é"]), ("/a?b?c", "/a", ["a"]),
    ("/x://y/z", "/x://y/z", ["x:", "", "y", "z"]),
  ])
  func `a path has its segments`(target: String, path: String, segments: [String]) throws {
    let head = RequestHead(method: .get, target: target, fields: ["Host": "h"])
    #expect(head.path == path)
    #expect(try head.segments == segments)
  }

  @Test(arguments: [
    ("/", []), ("/?", []), ("/?a", ["a="]), ("/?a=1&b=2", ["a=1", "b=2"]),
    ("/?a=1&a=2&&", ["a=1", "a=2"]), ("/?a+b=c%26d+e%2B", ["a b=c&d e+"]), ("/?=x", ["=x"]),
    ("/?a=b=c#d=e", ["a=b=c"]), ("http://h?q=1", ["q=1"]),
  ])
  func `a query has its parameters`(target: String, expected: [String]) throws {
    let head = RequestHead(method: .get, target: target)
    #expect(try head.query.map { "\($0.name)=\(try $0.value.get())" } == expected)
  }

  /// What cannot be read, and why: the form of an escape comes before what it spells.
  private static let unreadable: [(String, HTTPTargetError)] = [
    ("%", .badEscape), ("%1", .badEscape), ("%zz", .badEscape), ("a%4", .badEscape),
    ("%00%", .badEscape), ("%FF", .notUTF8), ("%C3", .notUTF8), ("%C0%80", .notUTF8),
    ("%ED%A0%80", .notUTF8), ("%00%FF", .notUTF8), ("%00", .nul), ("a%00b", .nul),
  ]

  @Test(arguments: unreadable)
  func `a segment that cannot be read is an error`(text: String, reason: HTTPTargetError) {
    #expect(throws: reason) { try RequestHead(method: .get, target: "/a/\(text)").segments }
  }

  @Test(arguments: unreadable)
  func `a value that cannot be read is known by its name`(
    text: String,
    reason: HTTPTargetError
  ) throws {
    let query = try RequestHead(method: .get, target: "/?a=b&c=\(text)&d=e").query
    #expect(query.map(\.name) == ["a", "c", "d"])
    let values: [Result<String, HTTPTargetError>] = [
      .success("b"), .failure(reason), .success("e"),
    ]
    #expect(query.map(\.value) == values)
  }

  @Test(arguments: unreadable)
  func `a name that cannot be read is an error`(text: String, reason: HTTPTargetError) {
    #expect(throws: reason) { try RequestHead(method: .get, target: "/?a=b&\(text)=c").query }
  }
}
