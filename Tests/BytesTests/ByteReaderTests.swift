import Bytes
import Testing

@Suite("Byte reader") struct ByteReaderTests {
  private let bytes = [UInt8]("ab 12x".utf8)

  @Test func `what does not match is not consumed`() {
    var reader = ByteReader(bytes.span)
    let wrongByte = reader.consume(0x62)
    let wrongText = reader.consume("ac")
    let noNumber = reader.number()
    #expect(!wrongByte && !wrongText && noNumber == nil)
    #expect(reader.position == 0)
  }

  @Test func `bytes, texts, ranges and numbers are read in turn`() {
    var reader = ByteReader(bytes.span)
    let text = reader.consume(ignoringCase: "AB")
    let blanks = reader.take { $0.isBlank }
    let number = reader.number()
    let last = reader.byte()
    let none = reader.byte()
    #expect(text && blanks == 2..<3 && number == 12 && last == 0x78 && none == nil)
    #expect(reader.isAtEnd && reader.remaining == 0 && reader.next == nil)
  }

  @Test func `nothing is read past the end`() {
    var reader = ByteReader(bytes.span)
    reader.skip(100)
    #expect(reader.position == 6)
    reader.skip(-1)
    #expect(reader.position == 6)
    reader.seek(to: -5)
    #expect(reader.position == 0)
    reader.seek(to: 5)
    let long = reader.consume("xy")
    let beyond = reader.peek(1)
    #expect(!long && beyond == nil && reader.peek(0) == 0x78)
  }

  @Test(arguments: [
    ("0", 0 as UInt64?), ("18446744073709551615", .max), ("18446744073709551616", nil),
    ("99999999999999999999999", nil), ("007", 7), ("", nil), ("x", nil),
  ])
  func `a number is read unless it overflows`(_ text: String, _ value: UInt64?) {
    let bytes = [UInt8](text.utf8)
    var reader = ByteReader(bytes.span)
    let number = reader.number()
    #expect(number == value)
    #expect(value != nil || reader.position == 0)
  }

  @Test func `taking up to a byte stops before it, or at the end`() {
    var reader = ByteReader(bytes.span)
    let first = reader.take(upTo: 0x20)
    #expect(first == 0..<2)
    #expect(reader.copy(first) == [0x61, 0x62])
    let rest = reader.take(upTo: 0x0A)
    #expect(rest == 2..<6)
  }

  @Test func `a byte is found from where one looks`() {
    let span = bytes.span
    #expect(span.firstIndex(of: 0x61) == 0)
    #expect(span.firstIndex(of: 0x61, from: 1) == nil)
    #expect(span.firstIndex(of: 0x78, from: 5) == 5)
    #expect(span.firstIndex(of: 0x78, from: 6) == nil)
    #expect(span.firstIndex(of: 0x61, from: -1) == nil)
    let none: [UInt8] = []
    #expect(none.span.firstIndex(of: 0) == nil)
  }

  @Test func `texts are compared and trimmed`() {
    let value = [UInt8](" \tContent-Type \t".utf8)
    let trimmed = value.span.trimmingBlanks
    let isName = value.span.extracting(trimmed).equalsIgnoringCase("content-type")
    #expect(isName)
    let blanks = [UInt8](" \t ".utf8)
    #expect(blanks.span.trimmingBlanks.isEmpty)
  }

  @Test func `ill-formed UTF-8 is repaired`() {
    let broken: [UInt8] = [0x61, 0xFF, 0x62]
    #expect(String(utf8: broken.span) == "a\u{FFFD}b")
    let good = [UInt8]("ä".utf8)
    #expect(String(utf8: good.span) == "ä")
  }
}
