import Bytes
import MailProtocols
import Testing

@Suite("SMTP message transfer (RFC 5321 §4.5.2)")
struct SMTPBodyEncoderTests {
  static let fixtures: [(String, String)] = [
    ("", ".\r\n"),
    ("a", "a\r\n.\r\n"),
    ("a\r\n", "a\r\n.\r\n"),
    (".", "..\r\n.\r\n"),
    (".\r\n", "..\r\n.\r\n"),
    ("a\r\n.b\r\n..c\r\n", "a\r\n..b\r\n...c\r\n.\r\n"),
    ("a.b\r\n", "a.b\r\n.\r\n"),
    ("a\nb\n", "a\r\nb\r\n.\r\n"),
    ("a\rb\r", "a\r\nb\r\n.\r\n"),
    ("a\r\r\nb", "a\r\n\r\nb\r\n.\r\n"),
    ("a\n\r\nb", "a\r\n\r\nb\r\n.\r\n"),
    ("\r\n\r\n", "\r\n\r\n.\r\n"),
    ("\n.\n", "\r\n..\r\n.\r\n"),
    ("x\n.\nMAIL FROM:<evil>\n", "x\r\n..\r\nMAIL FROM:<evil>\r\n.\r\n"),
    ("x\r.\rDATA\r", "x\r\n..\r\nDATA\r\n.\r\n"),
    ("x\r\n.\rDATA", "x\r\n..\r\nDATA\r\n.\r\n"),
    ("x\n.\r\nDATA", "x\r\n..\r\nDATA\r\n.\r\n"),
    ("caf\u{E9}\r\n", "caf\u{E9}\r\n.\r\n"),
  ]

  private func encode(_ pieces: [ArraySlice<UInt8>]) -> [UInt8] {
    var encoder = SMTPBodyEncoder()
    var output: [UInt8] = []
    for piece in pieces { encoder.encode(Array(piece).span, into: &output) }
    encoder.finish(into: &output)
    return output
  }

  @Test(arguments: fixtures)
  func `lines end in CRLF and dots are doubled, wherever the message is cut`(
    _ message: String,
    _ wire: String
  ) {
    let bytes = Array(message.utf8)
    for cut in 0...bytes.count {
      #expect(encode([bytes[..<cut], [], bytes[cut...]]) == Array(wire.utf8))
    }
    #expect(encode(bytes.indices.map { bytes[$0...$0] }) == Array(wire.utf8))
  }

  @Test func `no message can end itself`() {
    // Every string of five over the dangerous alphabet, after a line and before another.
    let alphabet: [UInt8] = [.cr, .lf, 0x2E, 0x61]
    for number in 0..<1024 {
      let middle = (0..<5).map { alphabet[number >> (2 * $0) & 3] }
      let wire = encode([[0x61] + middle + [0x62]])
      let body = String(decoding: wire.dropLast(5), as: UTF8.self)
      for end in ["\r\n.\r\n", "\n.\n", "\r.\r", "\r\n.\r", "\r\n.\n", "\n.\r\n"] {
        #expect(!body.utf8Contains(end))
      }
      #expect(String(decoding: wire.suffix(5), as: UTF8.self) == "\r\n.\r\n")
    }
  }

  @Test(arguments: [
    ("Subject: x\r\n\r\nbody\r\n", 20, false, false),
    ("Subject: x\n\nbody", 20, false, false),
    ("Subject: \u{E4}\r\n\r\nbody\r\n", 21, true, true),
    ("Subject: x\r\n\r\nb\u{E4}\r\n", 19, true, false),
    ("Subject: x\r\rb\r", 17, false, false),
    ("", 0, false, false),
  ])
  func `MAIL can tell size and kind of a message`(
    _ message: String,
    _ size: Int,
    _ eightBit: Bool,
    _ utf8Header: Bool
  ) {
    let traits = SMTPMessageTraits(of: Array(message.utf8).span)
    #expect(
      traits
        == SMTPMessageTraits(size: size, hasEightBitBytes: eightBit, hasUTF8Header: utf8Header)
    )
  }

  @Test func `a Latin-1 header is not taken for UTF-8`() {
    let bytes = Array("Subject: ".utf8) + [0xE4] + Array("\r\n\r\n".utf8)
    let traits = SMTPMessageTraits(of: bytes.span)
    #expect(traits.hasEightBitBytes && !traits.hasUTF8Header)
  }
}

extension String {
  /// Whether `other` occurs byte for byte; as Characters, CR LF would hide a CR.
  fileprivate func utf8Contains(_ other: String) -> Bool {
    let text = Array(utf8)
    let wanted = Array(other.utf8)
    return text.indices.contains { text[$0...].starts(with: wanted) }
  }
}
