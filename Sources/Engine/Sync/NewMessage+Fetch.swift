import Bytes
import Crypto
import MailProtocols
import MIME
import Model
import Store

extension NewMessage {
  /// The row for a message that the sync FETCH told; nil for one without a UID.
  ///
  /// What a server breaks (ENVELOPE, BODYSTRUCTURE, dates) is left empty: the message still shows.
  init?(_ fetched: FetchedMessage, fetchedAt now: Timestamp) {
    guard let uid = fetched.uid else { return nil }
    let envelope = fetched.envelope ?? Envelope()
    let fields = HeaderFields(parsing: fetched.headerFields)
    let references = fields.messageIDs("References") ?? []
    let inReplyTo = envelope.inReplyTo.map { MessageIDList.parse($0.span) } ?? []
    let messageIDs = envelope.messageID.map { MessageIDList.parse($0.span) } ?? []
    let identity = Self.identity(envelope, size: fetched.size ?? 0)
    let structure = fetched.bodyStructure.map { BodyPart($0) }
    let views = structure.map { BodyViews(of: $0) }
    let flags = fetched.flags ?? []
    self.init(
      uid: Int64(uid.value),
      keywords: KeywordMap.keywords(of: flags),
      isDeleted: flags.contains(.deleted),
      receivedAt: fetched.internalDate.map { Timestamp(seconds: $0.secondsSince1970) } ?? now,
      size: Int64(fetched.size ?? 0),
      identity: identity,
      threadID: ThreadID.of(
        messageID: messageIDs.first,
        inReplyTo: inReplyTo,
        references: references,
        fallback: identity + [UInt8](uid.description.utf8)
      ),
      hasAttachment: views?.hasAttachment ?? false
    )
    self.messageID = messageIDs.first?.withoutNUL
    self.messageIDs = AddressJSON.array(messageIDs)
    self.inReplyTo = AddressJSON.array(inReplyTo)
    self.references = AddressJSON.array(references)
    attachments = views.flatMap { StructureJSON.list($0.attachments) }
    textBody = views.flatMap { StructureJSON.list($0.textBody) }
    htmlBody = views.flatMap { StructureJSON.list($0.htmlBody) }
    bodyStructure = structure.map { StructureJSON.tree($0) }
    let extra = fetched.headerFields
    extraFields = extra.count > 2 ? String(utf8: extra.span).withoutNUL : nil
    setEnvelope(envelope, fields)
  }

  private mutating func setEnvelope(_ envelope: Envelope, _ fields: HeaderFields) {
    subject = envelope.subject.map { EncodedWords.decode($0.span).withoutNUL }
    sentAt = envelope.date.flatMap { MIMEDate.parse($0.span) }.map {
      Timestamp(seconds: $0.seconds)
    }
    let from = AddressJSON.addresses(envelope.from)
    let to = AddressJSON.addresses(envelope.to)
    let cc = AddressJSON.addresses(envelope.cc)
    let bcc = AddressJSON.addresses(envelope.bcc)
    self.from = AddressJSON.array(from)
    self.to = AddressJSON.array(to)
    self.cc = AddressJSON.array(cc)
    self.bcc = AddressJSON.array(bcc)
    // Servers fill these two in from From (RFC 3501 §7.4.2); the API shows what the message says.
    replyTo = fields.addresses("Reply-To").flatMap { AddressJSON.array($0) }
    let sender = AddressJSON.addresses(envelope.sender)
    self.sender = sender == from ? nil : AddressJSON.array(sender)
    fromText = AddressJSON.text(from)
    toText = AddressJSON.text(to + cc + bcc)
  }

  /// What a message is known by when its UID changes: a digest of its raw envelope and its size.
  private static func identity(_ envelope: Envelope, size: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    envelope.writeIdentity(to: &bytes)
    bytes.append(decimal: size)
    return Array(Digest.sha256(bytes).prefix(16))
  }

  /// The row for a raw message that is kept here and on its way to the server.
  init(raw: [UInt8], keywords: [String], receivedAt: Timestamp) {
    let message = MessageParser.parse(raw)
    let header = message.header
    let references = header.messageIDs("References") ?? []
    let inReplyTo = header.messageIDs("In-Reply-To") ?? []
    let messageIDs = header.messageIDs("Message-ID") ?? []
    let structure = message.bodyStructure
    let views = BodyViews(of: structure)
    let identity = Array(Digest.sha256(raw).prefix(16))
    self.init(
      uid: nil,
      keywords: keywords.sorted(),
      isDeleted: false,
      receivedAt: receivedAt,
      size: Int64(raw.count),
      identity: identity,
      threadID: ThreadID.of(
        messageID: messageIDs.first,
        inReplyTo: inReplyTo,
        references: references,
        fallback: identity
      ),
      hasAttachment: views.hasAttachment
    )
    messageID = messageIDs.first?.withoutNUL
    self.messageIDs = AddressJSON.array(messageIDs)
    self.inReplyTo = AddressJSON.array(inReplyTo)
    self.references = AddressJSON.array(references)
    attachments = StructureJSON.list(views.attachments)
    textBody = StructureJSON.list(views.textBody)
    htmlBody = StructureJSON.list(views.htmlBody)
    bodyStructure = StructureJSON.tree(structure)
    preview = message.preview().withoutNUL
    subject = header.text("Subject")?.withoutNUL
    sentAt = header.date("Date").map { Timestamp(seconds: $0.seconds) }
    setAddresses(header)
  }

  private mutating func setAddresses(_ header: HeaderFields) {
    let from = header.addresses("From") ?? []
    let to = header.addresses("To") ?? []
    let cc = header.addresses("Cc") ?? []
    let bcc = header.addresses("Bcc") ?? []
    self.from = AddressJSON.array(from)
    self.to = AddressJSON.array(to)
    self.cc = AddressJSON.array(cc)
    self.bcc = AddressJSON.array(bcc)
    replyTo = header.addresses("Reply-To").flatMap { AddressJSON.array($0) }
    sender = header.addresses("Sender").flatMap { AddressJSON.array($0) }
    fromText = AddressJSON.text(from)
    toText = AddressJSON.text(to + cc + bcc)
  }
}

extension FetchedMessage {
  /// The bytes of the header fields that the sync FETCH asks for beside the ENVELOPE.
  fileprivate var headerFields: [UInt8] {
    for section in sections {
      if case .bytes(let bytes) = section.content { return bytes }
    }
    return []
  }
}
