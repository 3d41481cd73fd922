import Bytes
import TestSupport
import Testing

@Suite("Base64, hexadecimal, percent-encoding") struct CodingTests {
  /// RFC 4648 §10.
  static let base64 = [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
    ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
  ]

  private func decode(_ text: String, _ alphabet: Base64 = .standard) -> [UInt8]? {
    alphabet.decode([UInt8](text.utf8).span)
  }

  @Test(arguments: base64) func `base64 is that of RFC 4648`(_ plain: String, _ text: String) {
    let bytes = [UInt8](plain.utf8)
    #expect(String(decoding: Base64.standard.encode(bytes.span), as: UTF8.self) == text)
    #expect(decode(text) == bytes)
    let unpadded = String(text.prefix { $0 != "=" })
    #expect(String(decoding: Base64.url.encode(bytes.span), as: UTF8.self) == unpadded)
    #expect(decode(unpadded, .url) == bytes)
  }

  @Test(arguments: [
    "Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zm9v\n", "Zm 9v", "Zh==", "Zm9=", "-_8=",
  ])
  func `base64 that no encoder writes is refused`(_ text: String) {
    #expect(decode(text) == nil)
  }

  @Test(arguments: ["Z", "Zg==", "+/8", "Zh"])
  func `base64url that no encoder writes is refused`(_ text: String) {
    #expect(decode(text, .url) == nil)
  }

  @Test func `all bytes survive base64 and hexadecimal at every length`() {
    let all = (0...255).map { UInt8($0) }
    for count in 0...all.count {
      let bytes = [UInt8](all.suffix(count))
      for alphabet in [Base64.standard, .url] {
        let text = alphabet.encode(bytes.span)
        #expect(alphabet.decode(text.span) == bytes)
      }
      let text = [UInt8](Hex.encode(bytes.span).utf8)
      #expect(Hex.decode(text.span) == bytes)
    }
  }

  @Test func `hexadecimal is lower case, and read in either`() {
    #expect(Hex.encode(([0x00, 0xAB, 0xFF] as [UInt8]).span) == "00abff")
    #expect(Hex.decode([UInt8]("00AbfF".utf8).span) == [0x00, 0xAB, 0xFF])
    #expect(Hex.decode([UInt8]("0".utf8).span) == nil)
    #expect(Hex.decode([UInt8]("0g".utf8).span) == nil)
  }

  @Test(arguments: [
    ("a%20b", "a b"), ("%C3%A4", "ä"), ("a+b", "a+b"), ("", ""), ("%25", "%"), ("%2f", "/"),
  ])
  func `percent-encoding is decoded`(_ text: String, _ plain: String) {
    #expect(PercentCoding.decode([UInt8](text.utf8).span) == [UInt8](plain.utf8))
  }

  @Test(arguments: ["%", "%2", "a%", "%zz", "%2g", "% 20"])
  func `a broken escape is refused`(_ text: String) {
    #expect(PercentCoding.decode([UInt8](text.utf8).span) == nil)
  }

  @Test func `forms write blanks as plus`() {
    #expect(
      PercentCoding.decode([UInt8]("a+b%2B".utf8).span, plusIsSpace: true) == [UInt8]("a b+".utf8)
    )
  }

  @Test func `all that is not unreserved is encoded`() {
    let text = PercentCoding.encode([UInt8]("aZ0-._~ /?ä%".utf8).span)
    #expect(String(decoding: text, as: UTF8.self) == "aZ0-._~%20%2F%3F%C3%A4%25")
    let all = (0...255).map { UInt8($0) }
    let encoded = PercentCoding.encode(all.span)
    #expect(PercentCoding.decode(encoded.span) == all)
  }
}
