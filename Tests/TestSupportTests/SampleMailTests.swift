import TestSupport
import Testing

@Suite("Sample mail") struct SampleMailTests {
  @Test func `a number makes the same message every time, and no other's`() {
    let messages = SampleMail.messages(100)
    #expect(messages == SampleMail.messages(100))
    #expect(Set(messages).count == 100)
  }

  @Test(arguments: SampleMail.Kind.allCases)
  func `every kind is a message with CRLF lines and seven bits`(_ kind: SampleMail.Kind) {
    let bytes = SampleMail.message(7, kind: kind)
    let text = String(decoding: bytes, as: UTF8.self)
    #expect(text.contains("\r\n\r\n"))
    #expect(text.contains("Message-ID: <\(SampleMail.messageID(7))>"))
    for index in bytes.indices.dropFirst() where bytes[index] == 0x0A {
      #expect(bytes[index - 1] == 0x0D)
    }
    #expect(bytes.allSatisfy { $0 < 0x80 })
  }

  @Test func `a thread's replies name what they answer`() {
    let reply = String(decoding: SampleMail.message(27), as: UTF8.self)
    #expect(reply.contains("In-Reply-To: <\(SampleMail.messageID(17))>"))
    #expect(
      reply.contains("References: <\(SampleMail.messageID(7))>\r\n <\(SampleMail.messageID(17))>")
    )
  }

  @Test func `dates are written as RFC 5322 has them`() {
    #expect(SampleMail.dateText(0) == "Tue, 14 Nov 2023 22:13:20 +0000")
  }
}
