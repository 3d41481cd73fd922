import Bytes
import Crypto
import Engine
import HTTP
import HTTPTransport
import MIME
import Model
import Store

extension Endpoints {
  /// Answers `POST /v1/accounts/{accountId}/messages`.
  func importMessage(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let type = try MediaType.ofBody(call.request.fields)
    if type == .message { return try await importRaw(call) }
    guard type?.isJSON ?? true else {
      throw ServiceError(
        .unsupportedMediaType,
        "The body has to be message/rfc822 or application/json."
      )
    }
    return try await importDraft(call)
  }

  private func importRaw(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    var query = try call.query()
    let name = query.string("mailbox", length: 1...64) ?? "inbox"
    let keywords = query.strings("keyword", count: 100)
    for keyword in keywords {
      TextRules.checkKeyword(keyword, at: "?keyword", faults: query.faults)
    }
    let receivedAt = query.time("receivedAt")
    try query.finish()
    guard let mailbox = try await findMailbox(name, of: account) else {
      throw ServiceError(
        .unprocessable,
        "?mailbox: There is no mailbox with this id or role.",
        fields: [
          FieldError(
            pointer: "?mailbox",
            code: FaultCode.notFound.rawValue,
            detail: "There is no mailbox with this id or role."
          )
        ]
      )
    }
    let raw = try await call.body(upTo: configuration.limits.messageBytes)
    guard !raw.isEmpty else { throw ServiceError(.unprocessable, "The message is empty.") }
    let id = try await engine.importMessage(
      raw,
      into: mailbox.id,
      of: account,
      keywords: keywords.map { $0.lowercased() },
      receivedAt: receivedAt,
      claim: call.claim
    )
    return try await created(id, of: account)
  }

  private func importDraft(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try await account(call)
    try call.requireNoQuery()
    let body = try await call.json(upTo: configuration.limits.messageBytes * 4 / 3)
    let names = MailboxNames(try await store.mailboxes(of: account.id).mailboxes)
    let faults = Faults()
    var object = ObjectDecoder(body, faults: faults)
    let content = OutgoingContent(
      &object,
      limits: .init(recipients: configuration.limits.recipients)
    )
    let mailboxes = draftMailboxes(&object, names)
    let keywords = draftKeywords(&object)
    object.finish()
    try faults.check()
    let raw = try await draft(content, of: account)
    var id: ID<Message>?
    for mailbox in mailboxes.prefix(1) {
      id = try await engine.importMessage(
        raw,
        into: mailbox,
        of: account.id,
        keywords: keywords,
        receivedAt: nil,
        claim: call.claim
      )
    }
    guard let id else { throw .notFound }
    if mailboxes.count > 1 {
      var patch = MessagePatch()
      patch.addMailboxes = Array(mailboxes.dropFirst())
      _ = try await engine.changeMessages([id], of: account.id, patch)
    }
    return try await created(id, of: account.id)
  }

  private func created(
    _ id: ID<Message>,
    of account: ID<Account>
  ) async throws(ServiceError) -> HTTPResponse {
    let page = try await store.message(id, of: account)
    guard page.count == 1 else { throw .notFound }
    return try answer(
      page,
      status: .created,
      location: "/v1/accounts/\(account)/messages/\(id)"
    )
  }

  private func draftMailboxes(
    _ object: inout ObjectDecoder,
    _ names: MailboxNames
  ) -> [ID<Mailbox>] {
    let pointer = object.pointer(to: "mailboxIds")
    if let value = object.value("mailboxIds") {
      return Self.mailboxSet(value, at: pointer, names: names, faults: object.faults) ?? []
    }
    return names.find("drafts", at: pointer, faults: object.faults).map { [$0] } ?? []
  }

  private func draftKeywords(_ object: inout ObjectDecoder) -> [String] {
    guard var keywords = object.object("keywords") else { return ["$draft", "$seen"] }
    var names: [String] = []
    for member in keywords.all() {
      let pointer = keywords.pointer(to: member.name)
      TextRules.checkKeyword(member.name, at: pointer, faults: keywords.faults)
      if member.value == .bool(true) {
        names.append(member.name.lowercased())
      } else {
        keywords.faults.add(pointer, .type, "true is wanted.")
      }
    }
    return names
  }
}

// MARK: - Building a draft

extension Endpoints {
  /// The bytes of a draft: unlike a submission it may lack recipients, and it keeps its Bcc.
  private func draft(
    _ content: OutgoingContent,
    of account: Account
  ) async throws(ServiceError) -> [UInt8] {
    let message = content.message
    let seed: [UInt8]
    do throws(CryptoError) {
      seed = try Random.bytes(16)
    } catch {
      throw ServiceError(.internalError, "An internal error occurred.", cause: "\(error)")
    }
    let host = account.email.split(separator: "@").last.map { String($0) } ?? "localhost"
    let identity = account.identities.first { $0.isDefault } ?? account.identities.first
    var builder = MessageBuilder(
      date: MIMEDate(seconds: Timestamp.now().seconds),
      messageID: "\(Hex.encode(seed.span))@\(host)"
    )
    builder.from =
      message.from
      ?? [Address(name: identity?.name ?? account.name, email: identity?.email ?? account.email)]
    builder.to = message.to
    builder.cc = message.cc
    builder.replyTo = message.replyTo
    builder.subject = message.subject
    builder.text = message.text ?? (message.html == nil ? "" : nil)
    builder.html = message.html
    builder.inReplyTo = message.inReplyTo
    builder.references = message.references
    if let answered = content.answered {
      try await refer(to: answered, of: account.id, in: &builder)
    }
    builder.extraFields = message.headers.map { .init(name: $0.name, value: $0.value) }
    do throws(MessageBuildError) {
      // The builder knows no Bcc, which no message that is sent may show; a draft has to keep it.
      let bcc =
        message.bcc.isEmpty ? "" : "Bcc: \(try formatAddressList(message.bcc))\r\n"
      builder.attachments = try message.attachments.map { attachment throws(MessageBuildError) in
        try Self.part(attachment)
      }
      return Array(bcc.utf8) + (try builder.build(boundarySeed: seed))
    } catch {
      throw ServiceError(build: error)
    }
  }

  /// Sets In-Reply-To and References to answer the message `id`.
  private func refer(
    to id: ID<Message>,
    of account: ID<Account>,
    in builder: inout MessageBuilder
  ) async throws(ServiceError) {
    let page = try await store.message(id, of: account)
    guard page.count == 1 else {
      throw ServiceError(
        .unprocessable,
        "/inReplyTo: There is nothing with this id.",
        fields: [
          FieldError(
            pointer: "/inReplyTo",
            code: FaultCode.notFound.rawValue,
            detail: "There is nothing with this id."
          )
        ]
      )
    }
    let answered = Self.texts(page.row(0).messageIDs)
    let earlier = Self.texts(page.row(0).references)
    builder.inReplyTo = answered.filter { MessageBuilder.isMessageID($0) }
    builder.references = (earlier + answered).filter { MessageBuilder.isMessageID($0) }
  }

  private static func texts(_ json: Span<UInt8>) -> [String] {
    guard !json.isEmpty, let value = try? JSONReader.parse(json) else { return [] }  // Ours: JSON.
    return value.arrayValue?.compactMap(\.stringValue) ?? []
  }

  private static func part(
    _ attachment: ComposedMessage.Attachment
  ) throws(MessageBuildError) -> MessageBuilder.Attachment {
    let bytes = Array(attachment.contentType.utf8)
    guard let type = ContentType(parsing: bytes.span) else {
      throw .invalidContentType(field: "attachments")
    }
    return MessageBuilder.Attachment(
      name: attachment.filename,
      contentType: type,
      contentID: attachment.contentID,
      isInline: attachment.isInline,
      content: attachment.content
    )
  }
}

extension ServiceError {
  /// What a message that cannot be built means to the caller.
  init(build error: MessageBuildError) {
    let (field, code, detail): (String, FaultCode, String) =
      switch error {
      case .forbiddenCharacter(let field):
        (field, .forbiddenCharacter, "CR, LF and NUL are not allowed.")
      case .invalidAddress(let field): (field, .format, "It is no address.")
      case .invalidMessageID(let field): (field, .format, "It is no message ID.")
      case .invalidFieldName(let field): (field, .format, "This field is not set by headers.")
      case .invalidContentType(let field): (field, .format, "It is no media type of a part.")
      case .missingAuthor: ("from", .required, "It is missing.")
      }
    self.init(
      .unprocessable,
      "/\(field): \(detail)",
      fields: [FieldError(pointer: "/\(field)", code: code.rawValue, detail: detail)]
    )
  }
}
