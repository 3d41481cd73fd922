import MIME

extension MessageBuilder {
  /// A message that has all a message must have.
  static var sample: MessageBuilder {
    var builder = MessageBuilder(
      date: MIMEDate(seconds: 1_795_341_600, offset: 60),
      messageID: "1@client.example"
    )
    builder.from = [Address(name: "Ann", email: "ann@client.example")]
    builder.to = [Address(email: "bob@mail.example")]
    return builder
  }

  /// The message as bytes.
  func bytes() throws -> [UInt8] {
    try build(boundarySeed: [0xAB, 0xCD, 0xEF])
  }

  /// The message as text, for those that are ASCII.
  func string() throws -> String {
    String(decoding: try bytes(), as: UTF8.self)
  }

  /// The message as the parser reads it.
  func parsed() throws -> ParsedMessage {
    MessageParser.parse(try bytes())
  }
}

/// The lines of a message, without their ends.
func lines(_ message: [UInt8]) -> [ArraySlice<UInt8>] {
  message.split(separator: 0x0A, omittingEmptySubsequences: false).map {
    $0.last == 0x0D ? $0.dropLast() : $0
  }
}
