import Bytes
import MIME
package import Model
package import Store

extension Engine {
  /// Queues a message for sending; it is durable when this returns.
  package func submit(
    _ draft: SubmissionDraft,
    of account: ID<Account>,
    claim: IdempotencyClaim? = nil
  ) async throws(ServiceError) -> SubmissionRecord {
    let (record, ready) = try await ready(draft, account)
    guard record.outgoing != nil else {
      throw ServiceError(
        .conflict,
        "The account has no outgoing server; set outgoing first."
      )
    }
    let now = services.now()
    let undoUntil = draft.undoSeconds.map {
      Timestamp(microseconds: now.microseconds + Int64($0) * 1_000_000)
    }
    var new = NewSubmission(
      identityID: ready.identityID,
      sender: ready.sender,
      recipients: ready.recipients,
      message: ready.bytes,
      messageID: ready.messageID,
      subject: ready.subject?.withoutNUL,
      sendAt: draft.sendAt.flatMap { $0 > now ? $0 : nil },
      undoUntil: undoUntil,
      answers: draft.inReplyToMessage,
      draft: draft.draftID
    )
    new.owesReport = draft.owesReport
    let submission = try await store.insertSubmission(new, of: account, claim: claim)
    wakeSubmissions()
    return submission
  }

  /// The bytes that `submit` would send.
  package func dryRun(
    _ draft: SubmissionDraft,
    of account: ID<Account>
  ) async throws(ServiceError) -> [UInt8] {
    try await ready(draft, account).message.bytes
  }

  /// Takes a submission back while that is possible.
  package func cancelSubmission(
    _ id: ID<Submission>,
    of account: ID<Account>
  ) async throws(ServiceError) -> SubmissionRecord {
    guard try await store.submission(id, of: account) != nil else {
      throw .notFound("submission")
    }
    guard try await store.cancelSubmission(id, of: account),
      let cancelled = try await store.submission(id, of: account)
    else {
      throw ServiceError(
        .conflict,
        "The submission cannot be cancelled: it is being sent, was handed to a server for some of"
          + " its recipients, or has ended."
      )
    }
    return cancelled
  }

  private func ready(
    _ draft: SubmissionDraft,
    _ account: ID<Account>
  ) async throws(ServiceError) -> (account: Account, message: ReadyMessage) {
    guard let record = try await store.account(account) else { throw .notFound("account") }
    var draft = draft
    if case .draft(let id) = draft.content {
      try await requireDraft(id, of: account)
      let source = try await openRaw(id, of: account)
      let (bytes, isTruncated) = try await serviceErrors(account) {
        try await source.collect(upTo: 64 * 1024 * 1024)
      }
      guard !isTruncated else {
        throw ServiceError(.bodyTooLarge, "The draft is larger than 64 MiB.")
      }
      draft.content = .raw(bytes)
    }
    if case .composed(var composed) = draft.content, let answered = draft.inReplyToMessage {
      try await refer(&composed, to: answered, of: account)
      draft.content = .composed(composed)
    }
    let composer = MessageComposer(account: record, now: services.now())
    return (record, try composer.compose(draft))
  }

  /// Whether `id` is a draft: what was received is not sent again under another's name.
  private func requireDraft(
    _ id: ID<Message>,
    of account: ID<Account>
  ) async throws(ServiceError) {
    let page = try await store.message(id, of: account)
    guard page.count == 1 else {
      throw Self.unfit("/draftId", "not_found", "An id of a message of this account.")
    }
    let row = page.row(0)
    let drafts = try await store.mailbox(role: "drafts", of: account)
    let mailboxes = try row.mailboxes()
    var isDraft = mailboxes.contains { $0 == drafts?.id }
    try row.forEachKeyword { keyword in
      if keyword.equalsIgnoringCase("$draft") { isDraft = true }
    }
    if isDraft { return }
    throw Self.unfit("/draftId", "conflict", "A message with $draft, or in the drafts mailbox.")
  }

  private static func unfit(_ pointer: String, _ code: String, _ detail: String) -> ServiceError {
    ServiceError(
      .unprocessable,
      "\(pointer): \(detail)",
      fields: [FieldError(pointer: pointer, code: code, detail: detail)]
    )
  }

  /// In-Reply-To and References for an answer (RFC 5322 §3.6.4), unless the caller gave its own.
  private func refer(
    _ composed: inout ComposedMessage,
    to answered: ID<Message>,
    of account: ID<Account>
  ) async throws(ServiceError) {
    let page = try await store.message(answered, of: account)
    guard page.count == 1 else {
      throw Self.unfit("/inReplyTo", "not_found", "An id of a message of this account.")
    }
    guard composed.inReplyTo.isEmpty, composed.references.isEmpty else { return }
    let row = page.row(0)
    let answeredIDs = Self.texts(row.messageIDs)
    composed.inReplyTo = answeredIDs.filter { MessageBuilder.isMessageID($0) }
    composed.references = (Self.texts(row.references) + answeredIDs).filter {
      MessageBuilder.isMessageID($0)
    }
  }

  private static func texts(_ json: Span<UInt8>) -> [String] {
    guard !json.isEmpty, let value = try? JSONReader.parse(json) else { return [] }  // Our column.
    return value.arrayValue?.compactMap(\.stringValue) ?? []
  }
}
