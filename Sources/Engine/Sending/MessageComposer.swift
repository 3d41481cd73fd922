import Bytes
import Crypto
import MIME
import Model

/// A message ready to be sent, and to whom.
struct ReadyMessage {
  var bytes: [UInt8]
  var sender: String
  var recipients: [String]
  var messageID: String?
  var subject: String?
  var identityID: String?
}

/// Turns what a caller asked for into the bytes that are sent.
struct MessageComposer {
  let account: Account
  let now: Timestamp
  /// How many recipients one submission may have.
  static let recipientLimit = 1000

  /// Builds or checks the message.
  func compose(_ draft: SubmissionDraft) throws(ServiceError) -> ReadyMessage {
    switch draft.content {
    case .composed(let composed): try build(composed, draft)
    case .raw(let bytes): try check(bytes, draft)
    case .draft:
      throw ServiceError(.internalError, "An internal error occurred.", cause: "draft not loaded")
    }
  }

  private func identity(_ id: String?) throws(ServiceError) -> Identity {
    if let id {
      guard let identity = account.identities.first(where: { $0.id == id }) else {
        throw ServiceError(
          .unprocessable,
          "The account has no such identity.",
          fields: [
            FieldError(
              pointer: "/identityId",
              code: "not_found",
              detail: "An id among the account's identities."
            )
          ]
        )
      }
      return identity
    }
    return account.identities.first(where: \.isDefault) ?? account.identities.first
      ?? Identity(
        id: "idn_1",
        name: account.name,
        email: account.email,
        replyTo: nil,
        isDefault: true
      )
  }

  private func build(
    _ composed: ComposedMessage,
    _ draft: SubmissionDraft
  ) throws(ServiceError) -> ReadyMessage {
    let identity = try identity(draft.identityID)
    let seed = try random()
    let domain = identity.email.split(separator: "@").last.map(String.init) ?? "localhost"
    let messageID = "\(Hex.encode(seed.span.extracting(0..<16)))@\(domain)"
    var builder = MessageBuilder(
      date: MIMEDate(seconds: now.seconds),
      messageID: messageID
    )
    builder.from = composed.from ?? [Address(name: identity.name, email: identity.email)]
    builder.to = composed.to
    builder.cc = composed.cc
    builder.replyTo =
      composed.replyTo.isEmpty
      ? identity.replyTo.map { [Address(email: $0)] } ?? [] : composed.replyTo
    builder.subject = composed.subject
    builder.text = composed.text
    builder.html = composed.html
    builder.inReplyTo = composed.inReplyTo
    builder.references = composed.references
    builder.extraFields = composed.headers.map {
      MessageBuilder.ExtraField(name: $0.name, value: $0.value)
    }
    for (index, attachment) in composed.attachments.enumerated() {
      builder.attachments.append(try part(attachment, index))
    }
    let bytes: [UInt8]
    do throws(MessageBuildError) {
      bytes = try builder.build(boundarySeed: seed)
    } catch {
      throw ServiceError(error)
    }
    let addressed = (composed.to + composed.cc + composed.bcc).map(\.email)
    return ReadyMessage(
      bytes: bytes,
      sender: draft.envelopeSender ?? identity.email,
      recipients: try recipients(draft.envelopeRecipients ?? addressed),
      messageID: messageID,
      subject: composed.subject,
      identityID: identity.id
    )
  }

  private func part(
    _ attachment: ComposedMessage.Attachment,
    _ index: Int
  ) throws(ServiceError) -> MessageBuilder.Attachment {
    guard let type = ContentType(parsing: [UInt8](attachment.contentType.utf8).span) else {
      throw ServiceError(
        .unprocessable,
        "An attachment's media type cannot be read.",
        fields: [
          FieldError(
            pointer: "/attachments/\(index)/type",
            code: "format",
            detail: "A media type such as application/pdf."
          )
        ]
      )
    }
    return MessageBuilder.Attachment(
      name: attachment.filename,
      contentType: type,
      contentID: attachment.contentID,
      isInline: attachment.isInline,
      content: attachment.content
    )
  }

  /// A message that the caller built: it is sent as it is, in CRLF (RFC 5321 §2.3.8) and without its blind recipients.
  private func check(_ bytes: [UInt8], _ draft: SubmissionDraft) throws(ServiceError)
    -> ReadyMessage
  {
    try checkHeaderBytes(bytes)
    let bytes = LineEnds.canonical(bytes)
    let header = MessageParser.parse(bytes).header
    let identity = try identity(draft.identityID)
    let addressed = ["To", "Cc", "Bcc"].flatMap { header.addresses($0) ?? [] }.map(\.email)
    guard header.addresses("From")?.isEmpty == false else {
      throw ServiceError(
        .unprocessable,
        "The message has no From field with an address.",
        fields: [FieldError(pointer: "", code: "required", detail: "A From field.")]
      )
    }
    return ReadyMessage(
      bytes: BccField.remove(from: bytes, header),
      sender: draft.envelopeSender ?? identity.email,
      recipients: try recipients(draft.envelopeRecipients ?? addressed),
      messageID: header.messageIDs("Message-ID")?.first,
      subject: header.text("Subject"),
      identityID: identity.id
    )
  }

  /// A CR alone or a NUL in the header reads as another header to the next server.
  private func checkHeaderBytes(_ bytes: [UInt8]) throws(ServiceError) {
    for (index, byte) in bytes.enumerated() {
      let next = index + 1 < bytes.count ? bytes[index + 1] : 0
      if byte == .lf, next == .lf || next == .cr { return }
      guard byte == 0 || (byte == .cr && next != .lf) else { continue }
      throw ServiceError(
        .unprocessable,
        "The message's header holds a CR without LF, or a NUL.",
        fields: [
          FieldError(
            pointer: "",
            code: "forbidden_character",
            detail: "Header fields that end in CRLF and hold no NUL."
          )
        ]
      )
    }
  }

  private func recipients(_ addresses: [String]) throws(ServiceError) -> [String] {
    var seen: Set<String> = []
    let unique = addresses.filter { seen.insert($0).inserted }
    guard !unique.isEmpty, unique.count <= Self.recipientLimit else {
      throw ServiceError(
        .unprocessable,
        "A submission needs 1 to \(Self.recipientLimit) recipients.",
        fields: [
          FieldError(
            pointer: "/to",
            code: unique.isEmpty ? "required" : "range",
            detail: "At least one address in to, cc or bcc, at most \(Self.recipientLimit)."
          )
        ]
      )
    }
    for address in unique { try checkAddress(address) }
    return unique
  }

  private func checkAddress(_ address: String) throws(ServiceError) {
    let isSafe =
      !address.unicodeScalars.contains {
        $0.value <= 0x20 || $0.value == 0x7F || $0 == "<" || $0 == ">"
      } && address.contains("@")
    guard isSafe else {
      throw ServiceError(
        .unprocessable,
        "An address cannot be sent to.",
        fields: [
          FieldError(
            pointer: "/to",
            code: "forbidden_character",
            detail: "Addresses as local@domain, without blanks, brackets or control characters."
          )
        ]
      )
    }
  }

  private func random() throws(ServiceError) -> [UInt8] {
    do {
      return try Random.bytes(32)
    } catch {
      throw ServiceError(.internalError, "An internal error occurred.", cause: "\(error)")
    }
  }
}

extension ServiceError {
  /// What a caller sees of a message that cannot be built.
  fileprivate init(_ error: MessageBuildError) {
    let problem: (field: String, code: String, detail: String)
    switch error {
    case .forbiddenCharacter(let field):
      problem = (field, "forbidden_character", "Text without CR, LF or NUL.")
    case .invalidAddress(let field):
      problem = (field, "format", "An address as local@domain (RFC 5322).")
    case .invalidMessageID(let field):
      problem = (field, "format", "A message ID as left@right, without brackets.")
    case .invalidFieldName(let field):
      problem = (field, "format", "A header field's name that the service does not write itself.")
    case .invalidContentType(let field):
      problem = (field, "format", "A media type such as application/pdf.")
    case .missingAuthor: problem = ("from", "required", "At least one author.")
    }
    self.init(
      .unprocessable,
      "The message cannot be built: /\(problem.field) is not as it must be.",
      fields: [
        FieldError(pointer: "/\(problem.field)", code: problem.code, detail: problem.detail)
      ]
    )
  }
}

/// Takes the blind recipients out of a message before it is sent (RFC 5322 §3.6.3, §3.6.6).
enum BccField {
  private static let names: Set<String> = ["bcc", "resent-bcc"]

  static func remove(from bytes: [UInt8], _ header: HeaderFields) -> [UInt8] {
    let bcc = header.fields.filter { names.contains(header.name(of: $0).lowercased()) }
    guard !bcc.isEmpty else { return bytes }
    var output = bytes
    for field in bcc.reversed() {
      var end = field.body.upperBound
      // The line end after the field's body goes with it.
      if end < output.count, output[end] == .cr { end += 1 }
      if end < output.count, output[end] == .lf { end += 1 }
      output.removeSubrange(field.name.lowerBound..<end)
    }
    return output
  }
}
