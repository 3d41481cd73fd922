import Bytes
import Crypto
import MailProtocols
import MIME
import Model
import Store

extension FetchedMessage {
  /// Whether the server may have told what it had left of a message that another client expunged meanwhile.
  ///
  /// Leniency `nilMessage`: Dovecot then tells for each item that it has not cached an ENVELOPE of NIL, a size
  /// of 0, a date of 1970. A message may truly be so, too: only another look tells the two apart.
  var isHollow: Bool {
    guard size != 0, internalDate?.secondsSince1970 != 0 else { return true }
    guard let envelope else { return !malformedItems.contains(.envelope) }
    return envelope == Envelope()
  }
}

extension NewMessage {
  /// The row for a message that the sync FETCH told; nil for one without a UID.
  ///
  /// What a server breaks (ENVELOPE, BODYSTRUCTURE, dates) is left empty: the message still shows.
  init?(_ fetched: FetchedMessage, fetchedAt now: Timestamp) {
    guard let uid = fetched.uid else { return nil }
    let envelope = fetched.envelope ?? Envelope()
    let extraFields = fetched.headerFields
    let fields = extraFields.count > 2 ? HeaderFields(parsing: extraFields) : nil
    let references = fields?.messageIDs("References") ?? []
    let inReplyTo = envelope.inReplyTo.map { MessageIDList.parse($0.span) } ?? []
    let messageIDs = envelope.messageID.map { MessageIDList.parse($0.span) } ?? []
    let identity = Self.identity(of: fetched)
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
      sentAt: envelope.date.flatMap { MIMEDate.parse($0.span) }.map {
        Timestamp(seconds: $0.seconds)
      },
      hasAttachment: views?.hasAttachment ?? false
    )
    let subject = envelope.subject.map { Self.decoded($0) }
    links = ThreadLinks(
      messageID: messageIDs.first,
      inReplyTo: inReplyTo,
      references: references,
      subject: { subject ?? [] },
      serverThread: fetched.threadID
    )
    messageID = messageIDs.first?.withoutNUL
    emailID = fetched.emailID?.withoutNUL
    // Servers fill these two in from From (RFC 3501 §7.4.2); the API shows what the message says.
    let replyTo = fields?.addresses("Reply-To") ?? []
    let sender = envelope.sender == envelope.from ? [] : envelope.sender
    if let subject { columns.text(.subject) { $0.append(contentsOf: subject) } }
    columns.write(
      addresses: MessageAddresses(
        from: RowAddresses(envelope.from),
        to: RowAddresses(envelope.to),
        cc: RowAddresses(envelope.cc),
        bcc: RowAddresses(envelope.bcc),
        replyTo: .decoded(replyTo),
        sender: RowAddresses(sender)
      ),
      messageIDs: messageIDs,
      inReplyTo: inReplyTo,
      references: references
    )
    if extraFields.count > 2 { columns.text(.extraFields, raw: extraFields) }
    if let structure, let views { columns.write(structure, views) }
    if let preview = fetched.preview {
      // RFC 8970 §3.1: at most 256 characters, whatever a server sends.
      columns.text(.preview, String(String(utf8: preview.span).withoutNUL.prefix(256)))
    }
  }

  /// What a message that a fetch told is known by.
  static func identity(of fetched: FetchedMessage) -> [UInt8] {
    identity(fetched.envelope ?? Envelope(), size: fetched.size ?? 0)
  }

  /// A subject with its encoded words decoded, without U+0000.
  private static func decoded(_ subject: [UInt8]) -> [UInt8] {
    EncodedWords.isPlain(subject.span)
      ? subject : [UInt8](EncodedWords.decode(subject.span).withoutNUL.utf8)
  }

  /// What a message is known by when its UID changes: a digest of its raw envelope and its size.
  private static func identity(_ envelope: Envelope, size: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(512)
    envelope.writeIdentity(to: &bytes)
    bytes.append(decimal: size)
    return Array(Digest.sha256(bytes).prefix(16))
  }

  /// The row for a raw message that is kept here and on its way to the server.
  ///
  /// With `readsTrace` it came when its topmost Received field says, unless that lies after `receivedAt`.
  /// `digest` is SHA-256 of the message.
  init(
    raw: [UInt8],
    digest: [UInt8],
    keywords: [String],
    receivedAt: Timestamp,
    readsTrace: Bool = false
  ) {
    let message = MessageParser.parse(raw)
    let header = message.header
    let receivedAt = readsTrace ? min(header.traceTime ?? receivedAt, receivedAt) : receivedAt
    let references = header.messageIDs("References") ?? []
    let inReplyTo = header.messageIDs("In-Reply-To") ?? []
    let messageIDs = header.messageIDs("Message-ID") ?? []
    let structure = message.bodyStructure
    let views = BodyViews(of: structure)
    let subject = header.text("Subject")
    self.init(
      uid: nil,
      keywords: keywords.sorted(),
      isDeleted: false,
      // INTERNALDATE counts seconds: once it is appended the message must not change its place in a list.
      receivedAt: Timestamp(seconds: receivedAt.seconds),
      size: Int64(raw.count),
      identity: Array(digest.prefix(16)),
      sentAt: header.date("Date").map { Timestamp(seconds: $0.seconds) },
      hasAttachment: views.hasAttachment
    )
    links = ThreadLinks(
      messageID: messageIDs.first,
      inReplyTo: inReplyTo,
      references: references,
      subject: { [UInt8]((subject ?? "").utf8) }
    )
    columns.text(.subject, subject?.withoutNUL)
    columns.write(
      addresses: MessageAddresses(header),
      messageIDs: messageIDs,
      inReplyTo: inReplyTo,
      references: references
    )
    columns.write(structure, views)
    leafRanges = structure.leaves.compactMap(\.range)
    columns.text(.preview, message.preview(of: views).withoutNUL)
  }
}

extension HeaderFields {
  /// When the last server took the message (RFC 5321 §4.4); of a message that no server passed on, its Date.
  fileprivate var traceTime: Timestamp? {
    guard let field = first("Received") else {
      return date("Date").map { Timestamp(seconds: $0.seconds) }
    }
    let body = bytes.span.extracting(field.body)
    guard let semicolon = body.array.lastIndex(of: 0x3B) else { return nil }
    let date = MIMEDate.parse(body.extracting((semicolon + 1)..<body.count))
    return date.map { Timestamp(seconds: $0.seconds) }
  }
}

extension MessageAddresses {
  /// The addresses of a parsed header.
  fileprivate init(_ header: HeaderFields) {
    func addresses(_ name: String) -> RowAddresses { .decoded(header.addresses(name) ?? []) }
    self.init(
      from: addresses("From"),
      to: addresses("To"),
      cc: addresses("Cc"),
      bcc: addresses("Bcc"),
      replyTo: addresses("Reply-To"),
      sender: addresses("Sender")
    )
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
