import Testing

@testable import MIME

@Suite("Building messages (RFC 5322, RFC 2045)")
struct MessageBuilderTests {
  @Test func `a plain message is what one would write by hand`() throws {
    var builder = MessageBuilder.sample
    builder.subject = "Hello"
    builder.cc = [
      Address(name: "Smith, Carol", email: "carol@mail.example"), Address(email: "d@mail.example"),
    ]
    builder.inReplyTo = ["0@mail.example"]
    builder.references = ["a@mail.example", "0@mail.example"]
    builder.extraFields = [.init(name: "X-Mailer", value: "Restante")]
    builder.text = "Hi Bob,\n\nbye\n"
    #expect(
      try builder.string() == """
        Date: Sun, 22 Nov 2026 11:00:00 +0100\r
        From: Ann <ann@client.example>\r
        To: bob@mail.example\r
        Cc: "Smith, Carol" <carol@mail.example>, d@mail.example\r
        Subject: Hello\r
        Message-ID: <1@client.example>\r
        In-Reply-To: <0@mail.example>\r
        References: <a@mail.example> <0@mail.example>\r
        X-Mailer: Restante\r
        MIME-Version: 1.0\r
        Content-Type: text/plain; charset=utf-8\r
        Content-Transfer-Encoding: 7bit\r
        \r
        Hi Bob,\r
        \r
        bye\r

        """
    )
  }

  @Test func `text, HTML, inline images and attachments nest as readers expect`() throws {
    var builder = MessageBuilder.sample
    builder.text = "plain"
    builder.html = "<img src=cid:logo@x>"
    builder.attachments = [
      .init(
        name: "logo.png",
        contentType: ContentType("image", "png"),
        contentID: "logo@x",
        isInline: true,
        content: [1, 2, 3]
      ),
      .init(name: "a.pdf", contentType: ContentType("application", "pdf"), content: [4, 5]),
    ]
    let structure = try builder.parsed().bodyStructure
    #expect(structure.type == "multipart/mixed")
    let alternative = try #require(structure.subParts?.first)
    #expect(alternative.type == "multipart/alternative")
    #expect(alternative.subParts?.map(\.type) == ["text/plain", "multipart/related"])
    let related = try #require(alternative.subParts?.last?.subParts)
    #expect(related.map(\.type) == ["text/html", "image/png"])
    #expect(related.last?.contentID == "logo@x")
    #expect(related.last?.disposition == "inline")
    let views = BodyViews(of: structure)
    #expect(views.textBody.map(\.type) == ["text/plain"])
    #expect(views.htmlBody.map(\.type) == ["text/html"])
    #expect(views.attachments.map(\.name) == ["logo.png", "a.pdf"])
  }

  /// The parts a draft has, and the tree they make.
  struct Shape: Sendable, CustomTestStringConvertible {
    var text: String?
    var html: String?
    var inline = 0
    var attached = 0
    let types: [String]
    var testDescription: String { types.joined(separator: " ") }
  }

  static let shapes = [
    Shape(types: ["text/plain"]),
    Shape(text: "Gr\u{FC}\u{DF}e", types: ["text/plain"]),
    Shape(html: "<p>\u{65E5}\u{672C}</p>", types: ["text/html"]),
    Shape(
      text: "Gr\u{FC}\u{DF}e",
      html: "<p>\u{E9}</p>",
      types: ["multipart/alternative", "text/plain", "text/html"]
    ),
    Shape(
      html: "<img>",
      inline: 2,
      types: ["multipart/related", "text/html", "image/png", "image/png"]
    ),
    Shape(text: "t", inline: 1, types: ["multipart/mixed", "text/plain", "image/png"]),
    Shape(
      text: "t",
      attached: 2,
      types: ["multipart/mixed", "text/plain", "application/pdf", "application/pdf"]
    ),
    Shape(attached: 1, types: ["multipart/mixed", "application/pdf"]),
    Shape(
      text: "t",
      html: "<p>",
      inline: 1,
      attached: 1,
      types: [
        "multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html",
        "image/png", "application/pdf",
      ]
    ),
  ]

  @Test(arguments: shapes)
  func `every shape comes back from the parser, non-ASCII everywhere`(_ shape: Shape) throws {
    let name = "Gr\u{FC}\u{DF}e aus \u{5317}\u{4EAC}; \"1\".pdf"
    var builder = MessageBuilder.sample
    builder.from = [Address(name: "J\u{FC}rgen \u{1F600}", email: "j@client.example")]
    builder.subject = "\u{C4}rger & \u{65E5}\u{672C}\u{8A9E}"
    builder.text = shape.text
    builder.html = shape.html
    builder.attachments =
      (0..<shape.inline).map {
        .init(
          name: name,
          contentType: ContentType("image", "png"),
          contentID: "\($0)@x",
          isInline: true,
          content: [UInt8(truncatingIfNeeded: $0)]
        )
      }
      + (0..<shape.attached).map {
        .init(
          name: name,
          contentType: ContentType("application", "pdf"),
          content: Array(repeating: UInt8(truncatingIfNeeded: $0), count: 300)
        )
      }
    let message = try builder.parsed()
    #expect(message.defects.isEmpty)
    #expect(message.parts.map(\.contentType.mediaType) == shape.types)
    #expect(message.header.text("Subject") == builder.subject)
    #expect(message.header.addresses("From") == builder.from)
    for part in message.parts where part.contentType.mediaType == "text/plain" {
      #expect(
        part.decodedText().text == withLineEnd(shape.text ?? "", alone: shape.types.count == 1)
      )
    }
    for part in message.parts where part.contentType.mediaType == "text/html" {
      #expect(
        part.decodedText().text == withLineEnd(shape.html ?? "", alone: shape.types.count == 1)
      )
    }
    for part in message.parts where part.disposition != nil {
      #expect(part.name == name)
    }
    for part in message.parts where part.contentType.mediaType == "application/pdf" {
      #expect(part.decodedContent().content.count == 300)
    }
  }

  /// A text that is the whole message ends with a line end, unless it is base64.
  private func withLineEnd(_ text: String, alone: Bool) -> String {
    let isBase64 = BodyText(text).encoding == .base64
    return alone && !isBase64 && !text.isEmpty ? text + "\n" : text
  }

  @Test func `lines stay short`() throws {
    var builder = MessageBuilder.sample
    builder.subject = String(repeating: "\u{65E5}\u{672C}\u{8A9E} and words ", count: 30)
    builder.to = (0..<50).map { Address(name: "N\u{E4}me \($0)", email: "user\($0)@mail.example") }
    builder.references = (0..<40).map { "message-\($0)@some.rather.long.host.example" }
    builder.text = String(repeating: "sch\u{F6}n ", count: 500)
    builder.attachments = [
      .init(
        name: String(repeating: "\u{DF}", count: 100),
        contentType: ContentType("image", "png"),
        content: [UInt8](repeating: 7, count: 1000)
      ),
      .init(
        name: String(repeating: "x y", count: 60),
        contentType: ContentType("image", "png"),
        content: []
      ),
    ]
    let bytes = try builder.bytes()
    #expect(lines(bytes).allSatisfy { $0.count <= 78 })
    #expect(bytes.allSatisfy { $0 < 0x80 })
    let message = MessageParser.parse(bytes)
    #expect(message.header.text("Subject") == builder.subject)
    #expect(message.header.addresses("To") == builder.to)
    #expect(message.header.messageIDs("References") == builder.references)
    #expect(message.parts.suffix(2).map(\.name) == builder.attachments.map(\.name))
  }

  @Test func `no line of a message is longer than 998, whatever goes in`() throws {
    let long = String(repeating: "x", count: 3000)
    var builder = MessageBuilder.sample
    builder.subject = long
    builder.from = [Address(name: long, email: "a@x")]
    builder.extraFields = [.init(name: "X-Long", value: "\(long) \(long)")]
    builder.text = long
    builder.html = long
    builder.attachments = [
      .init(name: long, contentType: ContentType("message", "rfc822"), content: Array(long.utf8))
    ]
    let bytes = try builder.bytes()
    #expect(lines(bytes).allSatisfy { $0.count <= 998 })
    let message = MessageParser.parse(bytes)
    #expect(message.header.text("Subject") == long)
    #expect(message.header.text("X-Long") == "\(long) \(long)")
    #expect(message.header.addresses("From")?.first?.name == long)
    #expect(message.parts.last?.name == long)
    #expect(message.parts.last?.decodedContent().content == Array(long.utf8))
  }

  @Test func `a boundary never occurs in what it bounds`() throws {
    let seed: [UInt8] = [1, 2, 3, 4]
    var inner = MessageBuilder.sample
    inner.text = "in"
    inner.html = "in"
    var outer = MessageBuilder.sample
    outer.text = "--=_01020304_1\n--=_01020304_1--"
    outer.html = "--=_01020304.1_1--"
    outer.attachments = [
      .init(
        name: nil,
        contentType: ContentType("message", "rfc822"),
        content: try inner.build(boundarySeed: seed)
      )
    ]
    let message = MessageParser.parse(try outer.build(boundarySeed: seed))
    #expect(message.bodyStructure.type == "multipart/mixed")
    #expect(
      message.bodyStructure.subParts?.map(\.type) == ["multipart/alternative", "message/rfc822"]
    )
    #expect(message.parts[2].decodedText().text == outer.text)
  }

  @Test func `a message that goes along keeps its bytes, or goes as a file`() throws {
    func part(_ content: [UInt8]) throws -> MessagePart {
      var builder = MessageBuilder.sample
      builder.attachments = [
        .init(name: "m", contentType: ContentType("message", "rfc822"), content: content)
      ]
      return try #require(try builder.parsed().parts.dropFirst().first)
    }
    let ascii = try part(Array("Subject: x\n\nhi\n".utf8))
    #expect(ascii.transferEncoding == .sevenBit)
    #expect(ascii.decodedContent().content == Array("Subject: x\r\n\r\nhi\r\n".utf8))
    #expect(try part(Array("Subject: x\n\n\u{E4}\n".utf8)).transferEncoding == .eightBit)
    let odd = try part(Array("Subject: x\n\n\0\n".utf8))
    #expect(odd.contentType.mediaType == "application/octet-stream")
    #expect(odd.decodedContent().content == Array("Subject: x\n\n\0\n".utf8))
  }

  @Test func `pieces make up the message`() throws {
    var builder = MessageBuilder.sample
    builder.attachments = [
      .init(
        name: "big",
        contentType: ContentType("image", "png"),
        content: (0..<200_001).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      )
    ]
    var pieces: [[UInt8]] = []
    try builder.write(boundarySeed: [0xAB, 0xCD, 0xEF]) { pieces.append($0) }
    #expect(pieces.allSatisfy { $0.count < 100_000 })
    #expect(Array(pieces.joined()) == (try builder.bytes()))
    #expect(
      MessageParser.parse(Array(pieces.joined())).parts.last?.decodedContent().content
        == builder.attachments[0].content
    )
  }

  @Test func `several authors have a sender`() throws {
    var builder = MessageBuilder.sample
    #expect(try builder.parsed().header.first("Sender") == nil)
    builder.from.append(Address(email: "second@client.example"))
    #expect(try builder.parsed().header.addresses("Sender") == [builder.from[0]])
    builder.sender = Address(email: "desk@client.example")
    builder.replyTo = [Address(email: "list@client.example")]
    let header = try builder.parsed().header
    #expect(header.addresses("Sender") == [Address(email: "desk@client.example")])
    #expect(header.addresses("Reply-To") == builder.replyTo)
  }
}
