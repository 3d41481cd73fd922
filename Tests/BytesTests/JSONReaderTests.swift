import Bytes
import TestSupport
import Testing

@Suite("JSON reader (RFC 8259)") struct JSONReaderTests {
  private func parse(
    _ text: String,
    limits: JSONLimits = JSONLimits()
  ) throws(JSONError) -> JSONValue {
    let bytes = [UInt8](text.utf8)
    return try JSONReader.parse(bytes.span, limits: limits)
  }

  /// A text and what it means.
  struct Good: Sendable, CustomTestStringConvertible {
    var text: String
    var value: JSONValue
    var testDescription: String { text }

    init(_ text: String, _ value: JSONValue) {
      self.text = text
      self.value = value
    }
  }

  static let good = [
    Good("null", .null), Good(" true ", .bool(true)), Good("\t\r\nfalse", .bool(false)),
    Good("0", .int(0)), Good("-1", .int(-1)),
    Good("9223372036854775807", .int(.max)), Good("-9223372036854775808", .int(.min)),
    Good("9223372036854775808", .double(9_223_372_036_854_775_808)),
    Good("-0", .double(-0.0)), Good("1.5", .double(1.5)), Good("1e3", .double(1000)),
    Good("1E-2", .double(0.01)), Good("\"\"", .string("")),
    Good(#""a\"b\\c\/d\b\f\n\r\t""#, .string("a\"b\\c/d\u{8}\u{C}\n\r\t")),
    Good(#""\u00e4\u20AC""#, .string("ä€")), Good(#""\uD83D\uDE00""#, .string("😀")),
    Good(#""\u0000""#, .string("\0")), Good("\"Größe\"", .string("Größe")),
    Good("[]", .array([])), Good("[ 1 , [2] ]", .array([.int(1), .array([.int(2)])])),
    Good("{}", .object([])),
    Good(
      #"{ "b" : 1 , "a" : null }"#,
      .object([.init(name: "b", value: .int(1)), .init(name: "a", value: .null)])
    ),
  ]

  @Test(arguments: good) func `a good text is read`(_ good: Good) throws {
    #expect(try parse(good.text) == good.value)
  }

  @Test(arguments: good) func `what is read is written and read again`(_ good: Good) throws {
    let encoded = try parse(good.text).encoded
    #expect(try JSONReader.parse(encoded.span) == good.value)
  }

  @Test(arguments: [
    ("", JSONError.Reason.unexpectedEnd), ("  ", .unexpectedEnd), ("[1,", .unexpectedEnd),
    ("{\"a\"", .unexpectedEnd), ("\"abc", .unexpectedEnd), ("[1 2]", .unexpectedByte),
    ("[1,]", .unexpectedByte), ("{,}", .unexpectedByte), ("{\"a\":1,}", .unexpectedByte),
    ("{a:1}", .unexpectedByte), ("'a'", .unexpectedByte), ("nul", .unexpectedByte),
    ("\"a\nb\"", .unexpectedByte), ("\"\\x\"", .badEscape), ("\"\\uD83D\"", .badEscape),
    ("\"\\uDE00\"", .badEscape), ("\"\\u12G4\"", .badEscape), ("01", .badNumber),
    ("-", .unexpectedEnd), ("1.", .unexpectedEnd), ("1.e1", .badNumber), ("1e999", .badNumber),
    ("+1", .unexpectedByte), (".5", .unexpectedByte), ("NaN", .unexpectedByte),
    ("{\"a\":1,\"a\":2}", .duplicateMember), ("1 2", .trailingBytes), ("{}}", .trailingBytes),
    ("\u{FEFF}1", .unexpectedByte),
  ])
  func `a bad text is refused with its reason`(_ text: String, _ reason: JSONError.Reason) {
    let error = #expect(throws: JSONError.self) { try parse(text) }
    #expect(error?.reason == reason)
    #expect((error?.offset ?? -1) <= text.utf8.count)
  }

  @Test func `ill-formed UTF-8 in a string is refused`() {
    for bytes in [[0xFF], [0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80]] {
      let text = [0x22] + bytes.map { UInt8($0) } + [0x22]
      let error = #expect(throws: JSONError.self) { try JSONReader.parse(text.span) }
      #expect(error?.reason == .badUTF8)
    }
  }

  @Test func `nesting is bounded`() throws {
    func nested(_ depth: Int) -> String {
      String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }
    _ = try parse(nested(JSONLimits().depth))
    let error = #expect(throws: JSONError.self) { try parse(nested(JSONLimits().depth + 1)) }
    #expect(error?.reason == .tooDeep)
    let open = #expect(throws: JSONError.self) {
      try parse(String(repeating: "{\"a\":[", count: 100_000))
    }
    #expect(open?.reason == .tooDeep)
  }

  @Test func `the number of values is bounded`() throws {
    var limits = JSONLimits()
    limits.values = 4
    #expect(try parse("[1,2,3]", limits: limits).arrayValue?.count == 3)
    let error = #expect(throws: JSONError.self) { try parse("[1,2,3,4]", limits: limits) }
    #expect(error?.reason == .tooManyValues)
  }

  @Test func `a text cut anywhere is refused, never read as another`() throws {
    let text = [UInt8](#"{"a":[1,true,"x\n\u00e4",{"b":null}],"c":"d"}"#.utf8)
    _ = try JSONReader.parse(text.span)
    for end in 0..<text.count {
      let cut = [UInt8](text[..<end])
      #expect(throws: JSONError.self) { try JSONReader.parse(cut.span) }
    }
  }

  @Test func `Mutation: whatever is read can be written and read as the same`() throws {
    let inputs =
      Self.good.map { [UInt8]($0.text.utf8) } + [
        [UInt8](
          #"{"to":[{"email":"bob@example.org","name":"Bob"}],"subject":"hi","n":12.5e3}"#.utf8
        )
      ]
    try Mutations.run("json", of: inputs) { input in
      guard let value = try? JSONReader.parse(input.span) else { return }
      let encoded = value.encoded
      let again = try JSONReader.parse(encoded.span)
      #expect(again == value)
    }
  }
}
