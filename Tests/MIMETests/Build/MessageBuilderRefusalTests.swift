import MIME
import Testing

@Suite("What a message must not hold")
struct MessageBuilderRefusalTests {
  /// One place of a draft where a text stands.
  struct Place: Sendable, CustomTestStringConvertible {
    let field: String
    let put: @Sendable (String, inout MessageBuilder) -> Void
    var testDescription: String { field }
  }

  static let places = [
    Place(field: "subject") { $1.subject = $0 },
    Place(field: "from/0/name") { $1.from[0].name = $0 },
    Place(field: "from/0/email") { $1.from[0].email = "a\($0)@x" },
    Place(field: "to/0/email") { $1.to = [Address(email: "a@x\($0)")] },
    Place(field: "to/1/name") { $1.to.append(Address(name: $0, email: "a@x")) },
    Place(field: "cc/0/email") { $1.cc = [Address(email: $0)] },
    Place(field: "replyTo/0/email") { $1.replyTo = [Address(email: "\"\($0)\"@x")] },
    Place(field: "sender/0/name") { $1.sender = Address(name: $0, email: "a@x") },
    Place(field: "messageID") { $1.messageID = $0 },
    Place(field: "inReplyTo") { $1.inReplyTo = [$0] },
    Place(field: "references") { $1.references = ["a@x", $0] },
    Place(field: "headers/0/name") { $1.extraFields = [.init(name: $0, value: "x")] },
    Place(field: "headers/0/value") { $1.extraFields = [.init(name: "X-A", value: $0)] },
    Place(field: "attachments/0/name") {
      $1.attachments = [.init(name: $0, contentType: ContentType("image", "png"), content: [])]
    },
    Place(field: "attachments/0/cid") {
      $1.attachments = [
        .init(name: nil, contentType: ContentType("image", "png"), contentID: $0, content: [])
      ]
    },
    Place(field: "attachments/0/type") {
      $1.attachments = [.init(name: nil, contentType: ContentType("image", $0), content: [])]
    },
    Place(field: "attachments/0/type") {
      let type = ContentType("image", "png", [MIMEParameter("x", $0)])
      $1.attachments = [.init(name: nil, contentType: type, content: [])]
    },
  ]

  @Test(
    arguments: places,
    ["a\r\nBcc: evil@x", "a\nb", "a\rb", "a\0b", "\n", "a\r\n b", "\u{E4}\r\n\r\nbody"]
  )
  func `a line end or NUL is refused wherever it stands`(_ place: Place, _ text: String) {
    var builder = MessageBuilder.sample
    place.put(text, &builder)
    #expect(throws: MessageBuildError.forbiddenCharacter(field: place.field)) {
      try builder.bytes()
    }
  }

  @Test(arguments: [
    "", "a", "@x", "a@", "a b@x", "a@x y", "a,b@x", "a@x, b@y", "<a@x>", "a@x>", "a;b@x", "a(c)@x",
    "\"a@x", "a\"b\"@x", "\"a\\\"@x", "a@b@x", "a@x..y", "a@.x", "a@[1.2.3.4", "a@[x]y]",
    "a\u{2028}b@x", "a@x\u{85}", "a\tb@x", String(repeating: "a", count: 400) + "@x",
  ])
  func `what is no address is refused`(_ email: String) {
    var builder = MessageBuilder.sample
    builder.cc = [Address(email: "fine@x"), Address(email: email)]
    #expect(throws: MessageBuildError.invalidAddress(field: "cc/1/email")) { try builder.bytes() }
  }

  @Test(arguments: [
    ("a.b+c@x.example", "a.b+c@x.example"), ("\"a b\"@x", "\"a b\"@x"),
    ("a@[1.2.3.4]", "a@[1.2.3.4]"),
    ("a..b@x", "\"a..b\"@x"), (".a@x", "\".a\"@x"), ("gr\u{FC}n@b\u{FC}cher.example", nil),
    ("\"a\\\"b\"@x", "\"a\\\"b\"@x"), ("o'neil@x", "o'neil@x"),
  ])
  func `what is an address is written so that it stays one`(
    _ email: String,
    _ wire: String?
  ) throws {
    var builder = MessageBuilder.sample
    builder.to = [Address(email: email)]
    #expect(try builder.string().contains("To: \(wire ?? email)\r\n"))
  }

  @Test func `an address that is not ASCII is flagged`() throws {
    var builder = MessageBuilder.sample
    builder.to = [Address(name: "Gr\u{FC}n", email: "g@x")]
    #expect(!builder.needsSMTPUTF8)
    builder.cc = [Address(email: "gr\u{FC}n@x")]
    #expect(builder.needsSMTPUTF8)
    #expect(try builder.parsed().header.addresses("Cc") == builder.cc)
  }

  @Test(arguments: [
    "", "X A", "X:A", "X\u{E4}", "From", "subject", "BCC", "Content-Type", "content-anything",
    "Date", "MIME-Version", "X\tA", String(repeating: "x", count: 80),
  ])
  func `a field name that is none, or the builder's own, is refused`(_ name: String) {
    var builder = MessageBuilder.sample
    builder.extraFields = [.init(name: name, value: "x")]
    #expect(throws: MessageBuildError.invalidFieldName(field: "headers/0/name")) {
      try builder.bytes()
    }
  }

  @Test(arguments: ["", "a b", "<a@x>", "\u{E4}@x", "a@x>", "\u{7F}@x"])
  func `a message ID that is none is refused`(_ id: String) {
    var builder = MessageBuilder.sample
    builder.references = [id]
    #expect(!MessageBuilder.isMessageID(id))
    #expect(throws: MessageBuildError.invalidMessageID(field: "references")) {
      try builder.bytes()
    }
  }

  @Test(arguments: [
    ContentType("multipart", "mixed"), ContentType("image", ""), ContentType("", "png"),
    ContentType("im age", "png"), ContentType("image", "p;ng"),
    ContentType("image", "png", [MIMEParameter("x*", "y")]),
    ContentType("image", "png", [MIMEParameter("x y", "y")]),
  ])
  func `a media type that no leaf can have is refused`(_ type: ContentType) {
    var builder = MessageBuilder.sample
    builder.attachments = [.init(name: nil, contentType: type, content: [])]
    #expect(throws: MessageBuildError.invalidContentType(field: "attachments/0/type")) {
      try builder.bytes()
    }
  }

  @Test func `a message without an author is refused`() {
    var builder = MessageBuilder.sample
    builder.from = []
    #expect(throws: MessageBuildError.missingAuthor) { try builder.bytes() }
  }
}
