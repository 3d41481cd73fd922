import Testing

@testable import MailProtocols

@Suite("The text of a POP3 message (RFC 1939 §3)") struct POP3TextTests {
  /// The message that `wire` is, and how much of `wire` it takes; the same whichever way it is cut.
  private func decode(_ wire: String, lf: Bool = false) throws -> (text: String, consumed: Int?) {
    let bytes = Array(wire.utf8)
    var found: (text: String, consumed: Int?)?
    for cut in 0...bytes.count {
      var decoder = POP3TextDecoder(endsLinesByLF: lf)
      var output: [UInt8] = []
      var consumed = decoder.decode(Array(bytes[..<cut]).span, into: &output)
      if consumed == nil {
        consumed = decoder.decode(Array(bytes[cut...]).span, into: &output).map { $0 + cut }
      }
      let result = (text: String(decoding: output, as: UTF8.self), consumed: consumed)
      if let found, found != result { throw POP3WireError.differs(cut: cut) }
      found = result
    }
    return try #require(found)
  }

  @Test(arguments: [
    (".\r\n", ""), ("a\r\n.\r\n", "a\r\n"), ("\r\n.\r\n", "\r\n"), ("..\r\n.\r\n", ".\r\n"),
    ("...\r\n.\r\n", "..\r\n"), (".a\r\n.\r\n", "a\r\n"), ("a..b\r\n.\r\n", "a..b\r\n"),
    ("a\n.\r\n.\r\n", "a\n.\r\n"), ("a\n.\nb\r\n.\r\n", "a\n.\nb\r\n"),
    ("a\r.\r\n.\r\n", "a\r.\r\n"), ("a\r\r\n.\r\n", "a\r\r\n"), ("a\r\n.\n", "a\r\n"),
    (".\rb\r\n.\r\n", "\rb\r\n"), (".\r\rb\r\n.\r\n", "\r\rb\r\n"), ("..\r\r\n.\r\n", ".\r\r\n"),
    ("\n.\n\r\n.\r\n", "\n.\n\r\n"),
  ])
  func `stuffed dots go, and only a dot on a line of its own is the end`(
    _ wire: String,
    _ text: String
  ) throws {
    let result = try decode(wire)
    #expect(result.text == text && result.consumed == wire.utf8.count)
    // What follows belongs to the next answer.
    let more = try decode(wire + "+OK\r\n.\r\n")
    #expect(more.text == text && more.consumed == wire.utf8.count)
  }

  @Test(arguments: [
    "", "a", "a\r", "a\r\n", "a\r\n.", "a\r\n.\r", "a\n.\n", "a\r.\r", "a.\r\n", ".b", "..\r\n",
  ])
  func `without a dot on a line of its own there is no end`(_ wire: String) throws {
    #expect(try decode(wire).consumed == nil)
  }

  @Test(arguments: [
    ("a\n.\n", "a\n"), ("a\n..b\n.\n", "a\n.b\n"), ("a\r\n.\r\n", "a\r\n"), (".\n", ""),
  ])
  func `where the server ends its lines by LF, so does the text`(_ wire: String, _ text: String)
    throws
  {
    let result = try decode(wire, lf: true)
    #expect(result.text == text && result.consumed == wire.utf8.count)
  }
}
