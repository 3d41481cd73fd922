package import Bytes
package import MIME
package import Model

/// A message to be composed.
package struct ComposedMessage: Sendable {
  /// A file or an inline image.
  package struct Attachment: Sendable {
    package var filename: String?
    package var contentType: String
    package var isInline: Bool
    package var contentID: String?
    package var content: [UInt8]

    package init(
      filename: String?,
      contentType: String,
      isInline: Bool,
      contentID: String?,
      content: [UInt8]
    ) {
      self.filename = filename
      self.contentType = contentType
      self.isInline = isInline
      self.contentID = contentID
      self.content = content
    }
  }

  package var from: [Address]?
  package var to: [Address] = []
  package var cc: [Address] = []
  package var bcc: [Address] = []
  package var replyTo: [Address] = []
  package var subject: String?
  package var text: String?
  package var html: String?
  package var headers: [(name: String, value: String)] = []
  package var inReplyTo: [String] = []
  package var references: [String] = []
  package var attachments: [Attachment] = []

  package init() {}
}

/// What is to be sent.
package enum SubmissionContent: Sendable {
  case composed(ComposedMessage)
  /// A whole message (RFC 5322).
  case raw([UInt8])
  /// A message of the account.
  case draft(ID<Message>)
}

/// A submission as a caller asks for it.
package struct SubmissionDraft: Sendable {
  package var content: SubmissionContent
  package var identityID: String?
  /// The reverse-path; the identity's address where nil.
  package var envelopeSender: String?
  /// Who gets it; those that To, Cc and Bcc name where nil.
  package var envelopeRecipients: [String]?
  package var sendAt: Timestamp?
  package var undoSeconds: Int?
  /// Whether the sender is told by mail who did not get it: who brings a message by SMTP does not ask for its state.
  package var owesReport = false
  /// The message that this one answers and that gets `\Answered`.
  package var inReplyToMessage: ID<Message>?

  package init(content: SubmissionContent) { self.content = content }

  /// The draft that is sent; nil for what is no draft.
  package var draftID: ID<Message>? {
    if case .draft(let id) = content { id } else { nil }
  }
}
