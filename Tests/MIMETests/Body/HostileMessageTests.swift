import MIME
import TestSupport
import Testing

@Suite("Hostile messages")
struct HostileMessageTests {
  /// A small reproducible generator (SplitMix64).
  private struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var value = state
      value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
      value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
      return value ^ value >> 31
    }
  }

  private func nested(_ depth: Int) -> [UInt8] {
    var text = ""
    for level in 0..<depth {
      text += "Content-Type: multipart/mixed; boundary=b\(level)\n\n--b\(level)\n"
    }
    return [UInt8]((text + "\nthe end").utf8)
  }

  @Test func `nesting beyond the limit is a leaf that keeps its bytes`() throws {
    let message = MessageParser.parse(nested(1_000))
    checkInvariants(of: message)
    #expect(message.defects.contains { $0.kind == .tooDeep })
    let last = try #require(message.parts.last)
    #expect(message.parts.count == MIMELimits().depth + 1)
    #expect(last.decodedContent().content.suffix(7).elementsEqual("the end".utf8))
  }

  @Test func `embedded messages beyond the limit are leaves`() {
    let text = String(repeating: "Content-Type: message/rfc822\n\n", count: 500)
    let message = MessageParser.parse([UInt8](text.utf8))
    checkInvariants(of: message)
    #expect(message.defects.contains { $0.kind == .tooDeep })
  }

  @Test func `parts beyond the limit are not listed`() {
    var limits = MIMELimits()
    limits.parts = 10
    let text =
      "Content-Type: multipart/mixed; boundary=b\n\n" + String(repeating: "--b\n\nx\n", count: 50)
    let message = MessageParser.parse([UInt8](text.utf8), limits: limits)
    #expect(message.parts.count == 10)
    #expect(message.defects.count { $0.kind == .tooManyParts } == 1)
  }

  @Test func `embedded messages beyond the budget stay encoded`() {
    var limits = MIMELimits()
    limits.embeddedBytes = 4
    let text = "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nQTogMQoKeA==\n"
    let message = MessageParser.parse([UInt8](text.utf8), limits: limits)
    #expect(message.parts.count == 1)
    #expect(message.defects == [Defect(.embeddedMessageTooLarge, part: 0)])
  }

  @Test(arguments: [
    "--b\n", "--", "-\n", "\n", " ", "A:\n", "A: \n ", "x\n", "\r", "--b--\n", "=\n", "<", "&#",
    "\0",
  ])
  func `repeating one piece costs no more than its length`(_ piece: String) {
    let body = String(repeating: piece, count: 20_000)
    for type in ["multipart/mixed; boundary=b", "text/html", "message/rfc822"] {
      checkInvariants(of: MessageParser.parse([UInt8]("Content-Type: \(type)\n\n\(body)".utf8)))
    }
    checkInvariants(of: MessageParser.parse([UInt8](body.utf8)))
  }

  @Test(arguments: 0..<SampleMail.Kind.allCases.count)
  func `random changes never break the parser`(_ index: Int) {
    var generator = Generator(state: UInt64(index) &+ 2_020)
    let sample = SampleMail.message(index)
    for _ in 0..<30 {
      let message = MessageParser.parse(mutated(sample, &generator))
      #expect(!message.parts.isEmpty)
      checkInvariants(of: message)
      readHeader(of: message)
    }
  }

  private static let pieces = [
    "\r\n\r\n", "\n", "--", "\"", "(", "<", ">", "=?utf-8?b?", "?=", ";", ":", ",", "\0",
    "\u{FFFF}",
    "Content-Type: multipart/mixed; boundary=\"\"\r\n", "Content-Transfer-Encoding: base64\r\n",
    "*0*=",
  ]

  private func mutated(_ sample: [UInt8], _ generator: inout Generator) -> [UInt8] {
    var bytes = sample
    for _ in 0..<Int.random(in: 1...12, using: &generator) where !bytes.isEmpty {
      let place = Int.random(in: 0..<bytes.count, using: &generator)
      switch Int.random(in: 0..<5, using: &generator) {
      case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
      case 1:
        bytes.removeSubrange(
          place..<min(bytes.count, place + Int.random(in: 1...40, using: &generator))
        )
      case 2:
        bytes.insert(
          contentsOf: (Self.pieces.randomElement(using: &generator) ?? "").utf8,
          at: place
        )
      case 3:
        let end = min(bytes.count, place + Int.random(in: 1...200, using: &generator))
        bytes.insert(
          contentsOf: bytes[place..<end],
          at: Int.random(in: 0...bytes.count, using: &generator)
        )
      default:
        bytes.removeLast(min(bytes.count, Int.random(in: 0...bytes.count / 4, using: &generator)))
      }
    }
    return bytes
  }

  private func readHeader(of message: ParsedMessage) {
    for part in message.parts {
      for field in part.header.fields {
        _ = part.header.text(field)
        _ = part.header.addresses(field)
        _ = part.header.messageIDs(field)
        _ = part.header.date(field)
        _ = part.header.urls(field)
      }
    }
  }

  @Test(arguments: SampleMail.broken)
  func `broken samples are read`(_ sample: SampleMail.Broken) {
    checkInvariants(of: MessageParser.parse(sample.bytes))
  }
}
