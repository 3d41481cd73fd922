import Bytes

/// What one FETCH response says of a message; members it does not name are nil.
///
///     S: * 23 FETCH (UID 4827 FLAGS (\Seen) RFC822.SIZE 44827 BODY[HEADER] {342} …)
package struct FetchedMessage: Hashable, Sendable {
  /// The message's place in the mailbox at this moment.
  package var sequenceNumber: UInt32
  package var uid: UID?
  package var flags: [Flag]?
  package var internalDate: InternalDate?
  /// The size in bytes that the server states; some state a wrong one.
  package var size: Int?
  package var envelope: Envelope?
  package var bodyStructure: BodyStructure?
  package var modSeq: ModSeq?
  /// EMAILID of RFC 8474, or X-GM-MSGID as decimal text.
  package var emailID: String?
  /// THREADID of RFC 8474, or X-GM-THRID as decimal text.
  package var threadID: String?
  /// When the message came into this mailbox (RFC 8514); nil where the server keeps no such date.
  package var saveDate: InternalDate?
  /// The start of the text as the server shows it (RFC 8970); nil where there is none, or none yet.
  package var preview: [UInt8]?
  /// Gmail's labels, decoded; those of the system start with a backslash.
  package var labels: [String]?
  package var sections: [FetchedSection] = []
  /// Items that were there but did not parse.
  package var malformedItems: [MalformedItem] = []

  /// A message of which nothing else is known.
  package init(sequenceNumber: UInt32) { self.sequenceNumber = sequenceNumber }

  /// An item that a server may get wrong without harm to the others.
  package enum MalformedItem: Hashable, Sendable {
    case envelope
    case bodyStructure
    case internalDate
    /// The response ends, or breaks off, where an item was expected.
    case rest
  }

  /// The bytes of the first section whose name starts with `name`.
  package func section(_ name: String) -> [UInt8]? {
    for section in sections where section.name.hasPrefix(name) {
      if case .bytes(let bytes) = section.content { return bytes }
    }
    return nil
  }
}

/// A part of a message's bytes in a FETCH response.
package struct FetchedSection: Hashable, Sendable {
  /// What a fetched item holds.
  package enum Content: Hashable, Sendable {
    case bytes([UInt8])
    /// The server answered NIL: there is no such part.
    case absent
    /// A literal of `count` bytes, handed out as it came, or dropped where nobody asked for it.
    case streamed(count: Int)
  }

  /// What stood in the brackets, in upper case; a list of field names is cut off.
  package var name: String
  /// Whether the server took off the transfer encoding: `BINARY[…]`.
  package var isBinary: Bool
  /// The first byte of a partial fetch.
  package var origin: Int?
  package var content: Content
}

extension ByteReader {
  /// Reads `msg-att` (RFC 3501 §9), the parentheses included.
  ///
  /// Leniency `malformedFetchItem`: an ENVELOPE or BODYSTRUCTURE that does not parse is skipped
  /// and named in `malformedItems`, so that one broken message does not stop a sync.
  mutating func requireFetch(
    _ sequenceNumber: UInt32,
    limits: IMAPLimits
  ) throws(IMAPSyntaxError) -> FetchedMessage {
    var message = FetchedMessage(sequenceNumber: sequenceNumber)
    try require(0x28, "msg-att")
    while true {
      skipBlanks()
      if consume(0x29) { return message }
      do {
        try fetchItem(&message, limits)
      } catch {
        guard message.uid != nil else { throw error }
        message.malformedItems.append(.rest)
        return message
      }
    }
  }

  private mutating func fetchItem(
    _ message: inout FetchedMessage,
    _ limits: IMAPLimits
  ) throws(IMAPSyntaxError) {
    let name = take { $0.isIMAPWord && $0 != 0x5B }
    guard !name.isEmpty else { throw syntaxError("msg-att item") }
    if next == 0x5B { return try sectionItem(named: name, &message) }
    skipBlanks()
    let word = slice(name)
    switch name.count {
    case 3 where word.equalsIgnoringCase("uid"):
      message.uid = UID(try requireNumber32("UID"))
    case 5 where word.equalsIgnoringCase("flags"):
      message.flags = try requireFlags()
    case 11 where word.equalsIgnoringCase("rfc822.size"):
      message.size = try requireCount()
    case 12 where word.equalsIgnoringCase("internaldate"):
      try internalDate(&message)
    case 8 where word.equalsIgnoringCase("envelope"):
      try tolerating(.envelope, &message) { reader, message throws(IMAPSyntaxError) in
        message.envelope = try reader.requireEnvelope()
      }
    case 13 where word.equalsIgnoringCase("bodystructure"), 4 where word.equalsIgnoringCase("body"):
      try tolerating(.bodyStructure, &message) { reader, message throws(IMAPSyntaxError) in
        guard !reader.consumeNIL() else { return }
        var budget = BodyStructureBudget(depth: limits.nesting / 2, parts: limits.parts)
        message.bodyStructure = try reader.requireBodyStructure(&budget)
      }
    default:
      try rareItem(word, &message)
    }
  }

  private mutating func rareItem(
    _ word: Span<UInt8>,
    _ message: inout FetchedMessage
  ) throws(IMAPSyntaxError) {
    if word.equalsIgnoringCase("modseq") {
      try require(0x28, "MODSEQ")
      message.modSeq = number().map { ModSeq($0) }
      try skipToClose()
    } else if word.equalsIgnoringCase("emailid") {
      message.emailID = try objectID()
    } else if word.equalsIgnoringCase("threadid") {
      message.threadID = try objectID()
    } else if word.equalsIgnoringCase("x-gm-msgid") {
      message.emailID = number().map { String($0) }
    } else if word.equalsIgnoringCase("x-gm-thrid") {
      message.threadID = number().map { String($0) }
    } else if word.equalsIgnoringCase("x-gm-labels") {
      message.labels = try gmailLabels()
    } else if word.equalsIgnoringCase("savedate") {
      if let (range, _) = try quoted() {
        message.saveDate = InternalDate(slice(range))
      } else {
        try skipValue()
      }
    } else if word.equalsIgnoringCase("preview") {
      // Leniency `oldPreview`: an earlier draft put the algorithm's name before the text.
      if next == 0x28 {
        message.preview = try draftPreview()
      } else {
        message.preview = try requireNString()
      }
    } else if word.equalsIgnoringCase("rfc822") {
      message.sections.append(try section(name: "", isBinary: false, origin: nil))
    } else if word.equalsIgnoringCase("rfc822.header") {
      message.sections.append(try section(name: "HEADER", isBinary: false, origin: nil))
    } else if word.equalsIgnoringCase("rfc822.text") {
      message.sections.append(try section(name: "TEXT", isBinary: false, origin: nil))
    } else {
      try skipValue()
    }
  }

  /// Reads the labels of X-GM-EXT-1: names like those of mailboxes, in modified UTF-7.
  private mutating func gmailLabels() throws(IMAPSyntaxError) -> [String] {
    if consumeNIL() { return [] }
    try require(0x28, "X-GM-LABELS")
    var labels: [String] = []
    while true {
      skipBlanks()
      if consume(0x29) { return labels }
      let label = try requireAString()
      labels.append(ModifiedUTF7.decode(label.span))
    }
  }

  private mutating func draftPreview() throws(IMAPSyntaxError) -> [UInt8]? {
    try require(0x28, "PREVIEW")
    _ = try requireAString()
    skipBlanks()
    var text: [UInt8]?
    if next != 0x29 { text = try requireNString() }
    try skipToClose()
    return text
  }

  private mutating func internalDate(_ message: inout FetchedMessage) throws(IMAPSyntaxError) {
    if let (range, _) = try quoted() {
      message.internalDate = InternalDate(slice(range))
    } else {
      try skipValue()
    }
    if message.internalDate == nil { message.malformedItems.append(.internalDate) }
  }

  /// Runs `read`; on an error goes back, notes `item` and skips the value as a whole.
  private mutating func tolerating(
    _ item: FetchedMessage.MalformedItem,
    _ message: inout FetchedMessage,
    _ read: (inout ByteReader, inout FetchedMessage) throws(IMAPSyntaxError) -> Void
  ) throws(IMAPSyntaxError) {
    let start = position
    do {
      try read(&self, &message)
    } catch {
      message.malformedItems.append(item)
      seek(to: start)
      try skipValue()
    }
  }

  /// Reads `BODY[…]<…>`, `BINARY[…]<…>` or `BINARY.SIZE[…]` and its value.
  private mutating func sectionItem(
    named item: Range<Int>,
    _ message: inout FetchedMessage
  ) throws(IMAPSyntaxError) {
    skip(1)
    // The name up to the field names, which nobody needs again.
    let nameRange = take { $0 != 0x5D && $0 != 0x20 }
    let name = String(utf8: slice(nameRange)).uppercased()
    try skipSectionRest()
    var origin: Int?
    if consume(0x3C) {
      origin = number().map { Int(clamping: $0) }
      guard consume(0x3E) else { throw syntaxError("section origin") }
    }
    skipBlanks()
    if slice(item).equalsIgnoringCase("binary.size") { return try skipValue() }
    let isBinary = slice(item).equalsIgnoringCase("binary")
    message.sections.append(try section(name: name, isBinary: isBinary, origin: origin))
  }

  /// Skips up to the bracket that closes a section, over quoted and literal field names.
  private mutating func skipSectionRest() throws(IMAPSyntaxError) {
    while true {
      _ = take { $0 != 0x5D && $0 != .quote && $0 != 0x7B && $0 != 0x7E }
      if consume(0x5D) { return }
      if try quoted() != nil { continue }
      if try literal() != nil { continue }
      guard byte() != nil else { throw syntaxError("section") }
    }
  }

  private mutating func section(
    name: String,
    isBinary: Bool,
    origin: Int?
  ) throws(IMAPSyntaxError) -> FetchedSection {
    let content: FetchedSection.Content
    switch try literal() {
    case .held(let range): content = .bytes(copy(range))
    case .streamed(let count): content = .streamed(count: count)
    case nil: content = try requireNString().map { .bytes($0) } ?? .absent
    }
    return FetchedSection(name: name, isBinary: isBinary, origin: origin, content: content)
  }
}
