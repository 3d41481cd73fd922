import Bytes
import Engine
import Model

/// What a caller wants sent, or only shown.
struct SubmissionRequest {
  var draft: SubmissionDraft
  /// Whether nothing is to be stored and the answer is the message's bytes.
  var isDryRun: Bool
}

/// Reads what to send from a request.
enum SubmissionDecoding {
  /// A raw message, its envelope and times in the query.
  static func raw(
    _ call: Call,
    limits: APILimits
  ) async throws(ServiceError) -> SubmissionRequest {
    var query = try call.query()
    let sender = query.string("mailFrom", length: 0...254)
    let recipients = query.strings("rcptTo", count: limits.recipients, length: 1...254)
    let sendAt = query.time("sendAt")
    let dryRun = query.bool("dryRun") ?? false
    checkSender(sender, at: "?mailFrom", faults: query.faults)
    for recipient in recipients {
      TextRules.checkAddress(recipient, at: "?rcptTo", faults: query.faults)
    }
    try query.finish()
    let raw = try await call.body(upTo: limits.messageBytes)
    guard !raw.isEmpty else { throw ServiceError(.unprocessable, "The message is empty.") }
    var draft = SubmissionDraft(content: .raw(raw))
    draft.envelopeSender = sender
    draft.envelopeRecipients = recipients.isEmpty ? nil : recipients
    draft.sendAt = sendAt
    return SubmissionRequest(draft: draft, isDryRun: dryRun)
  }

  /// A message as JSON, or the id of a draft.
  static func json(_ body: JSONValue, limits: APILimits) throws(ServiceError) -> SubmissionRequest {
    let faults = Faults()
    var object = ObjectDecoder(body, faults: faults)
    let content = OutgoingContent(&object, limits: .init(recipients: limits.recipients))
    let draftID = object.id("draftId", of: Message.self)
    if object.has("draftId"), !content.isEmpty {
      faults.add("/draftId", .conflict, "A draft is sent as it stands, without content besides.")
    }
    var draft = SubmissionDraft(
      content: draftID.map { .draft($0) } ?? .composed(content.message)
    )
    draft.inReplyToMessage = content.answered
    draft.identityID = object.string("identityId", length: 1...64)
    if var envelope = object.object("envelope") {
      readEnvelope(&envelope, limits, into: &draft)
    }
    draft.sendAt = object.time("sendAt")
    draft.undoSeconds = object.int("undoSeconds", in: 0...86_400).map { Int($0) }
    let isDryRun = object.bool("dryRun") ?? false
    object.finish()
    let message = content.message
    let hasRecipient =
      !(message.to.isEmpty && message.cc.isEmpty && message.bcc.isEmpty)
      || !(draft.envelopeRecipients ?? []).isEmpty
    if faults.isEmpty, draftID == nil, !hasRecipient {
      faults.addValue("/to", .required, "A recipient is wanted in to, cc or bcc.")
    }
    try faults.check()
    return SubmissionRequest(draft: draft, isDryRun: isDryRun)
  }

  private static func readEnvelope(
    _ envelope: inout ObjectDecoder,
    _ limits: APILimits,
    into draft: inout SubmissionDraft
  ) {
    let faults = envelope.faults
    draft.envelopeSender = envelope.string("mailFrom", length: 0...254)
    checkSender(draft.envelopeSender, at: envelope.pointer(to: "mailFrom"), faults: faults)
    draft.envelopeRecipients = envelope.strings(
      "rcptTo",
      count: 1...limits.recipients,
      length: 1...254
    )
    let pointer = envelope.pointer(to: "rcptTo")
    for (index, recipient) in (draft.envelopeRecipients ?? []).enumerated() {
      TextRules.checkAddress(recipient, at: "\(pointer)/\(index)", faults: faults)
    }
    envelope.finish()
  }

  /// A sender may be empty: the null reverse-path of notifications (RFC 5321 §4.5.5).
  private static func checkSender(_ sender: String?, at pointer: String, faults: Faults) {
    guard let sender, !sender.isEmpty else { return }
    TextRules.checkAddress(sender, at: pointer, faults: faults)
  }
}
