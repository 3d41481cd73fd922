import Bytes

/// The server's parse of a message's header (RFC 3501 §7.4.2), each field's bytes as they came.
///
///     S: * 12 FETCH (ENVELOPE ("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev1 WG mtg"
///        (("Terry Gray" NIL "gray" "cac.washington.edu")) … "<B27397@cac.washington.edu>"))
///
/// Encoded words, dates and message IDs are not decoded here: that is MIME's work.
package struct Envelope: Hashable, Sendable {
  package var date: [UInt8]?
  package var subject: [UInt8]?
  package var from: [EnvelopeAddress] = []
  package var sender: [EnvelopeAddress] = []
  package var replyTo: [EnvelopeAddress] = []
  package var to: [EnvelopeAddress] = []
  package var cc: [EnvelopeAddress] = []
  package var bcc: [EnvelopeAddress] = []
  package var inReplyTo: [UInt8]?
  package var messageID: [UInt8]?

  /// An envelope without any field.
  package init() {}

  /// Appends every field, with its length before it: equal bytes only for equal envelopes.
  package func writeIdentity(to output: inout [UInt8]) {
    Self.write(date, to: &output)
    Self.write(subject, to: &output)
    Self.write(from, to: &output)
    Self.write(sender, to: &output)
    Self.write(replyTo, to: &output)
    Self.write(to, to: &output)
    Self.write(cc, to: &output)
    Self.write(bcc, to: &output)
    Self.write(inReplyTo, to: &output)
    Self.write(messageID, to: &output)
  }

  private static func write(_ field: [UInt8]?, to output: inout [UInt8]) {
    output.append(decimal: field?.count ?? -1)
    output.append(0x3A)
    if let field { output.append(contentsOf: field) }
  }

  private static func write(_ list: [EnvelopeAddress], to output: inout [UInt8]) {
    output.append(decimal: list.count)
    output.append(0x3B)
    for address in list {
      write(address.name, to: &output)
      write(address.mailbox, to: &output)
      write(address.host, to: &output)
    }
  }
}

/// An address of an `Envelope`, or the mark where a group of addresses starts or ends.
///
/// A group starts with an entry whose host alone is nil (`mailbox` is the group's name) and ends
/// with one whose mailbox is nil too.
package struct EnvelopeAddress: Hashable, Sendable {
  /// The display name, with its encoded words.
  package var name: [UInt8]?
  /// What stands before the `@`, or a group's name.
  package var mailbox: [UInt8]?
  /// What stands after the `@`.
  package var host: [UInt8]?

  /// An address of the three parts.
  package init(name: [UInt8]?, mailbox: [UInt8]?, host: [UInt8]?) {
    self.name = name
    self.mailbox = mailbox
    self.host = host
  }
}

extension ByteReader {
  /// Reads `envelope` (RFC 3501 §9).
  ///
  /// Leniency `envelopeFields`: fields missing at the end are taken as NIL, and further ones are skipped, since
  /// servers that parse a broken header give up half-way.
  mutating func requireEnvelope() throws(IMAPSyntaxError) -> Envelope {
    var envelope = Envelope()
    if consumeNIL() { return envelope }
    try require(0x28, "envelope")
    envelope.date = try envelopeField()
    envelope.subject = try envelopeField()
    let fromStart = position
    envelope.from = try addresses()
    let fromEnd = position
    envelope.sender = try addresses(or: envelope.from, from: fromStart..<fromEnd)
    envelope.replyTo = try addresses(or: envelope.from, from: fromStart..<fromEnd)
    envelope.to = try addresses()
    envelope.cc = try addresses()
    envelope.bcc = try addresses()
    envelope.inReplyTo = try envelopeField()
    envelope.messageID = try envelopeField()
    try skipToClose()
    return envelope
  }

  private mutating func envelopeField() throws(IMAPSyntaxError) -> [UInt8]? {
    skipBlanks()
    return next == 0x29 ? nil : try requireNString()
  }

  /// Addresses written like those of `range`, which were read already, are not read again: most
  /// messages repeat From as Sender and Reply-To.
  private mutating func addresses(
    or known: [EnvelopeAddress],
    from range: Range<Int>
  ) throws(IMAPSyntaxError) -> [EnvelopeAddress] {
    let end = position + range.count
    if end <= bytes.count, range.count > 4,
      slice(position..<end).elementsEqual(slice(range))
    {
      seek(to: end)
      return known
    }
    return try addresses()
  }

  private mutating func addresses() throws(IMAPSyntaxError) -> [EnvelopeAddress] {
    skipBlanks()
    if next == 0x29 || consumeNIL() { return [] }
    try require(0x28, "addresses")
    var addresses: [EnvelopeAddress] = []
    while true {
      skipBlanks()
      if consume(0x29) { return addresses }
      if consumeNIL() { continue }  // Leniency `nilAddress`.
      try require(0x28, "address")
      let name = try requireNString()
      skipBlanks()
      try skipNString()  // The source route: nobody has used one for decades.
      skipBlanks()
      let mailbox = try requireNString()
      skipBlanks()
      let host = try requireNString()
      skipBlanks()
      try require(0x29, "address")
      addresses.append(EnvelopeAddress(name: name, mailbox: mailbox, host: host))
    }
  }
}
