package import MailProtocols

/// What became of a message that was handed to a server.
package struct SMTPResult: Equatable, Sendable {
  /// What became of it for the recipients that were accepted.
  package enum Outcome: Equatable, Sendable {
    /// The server has taken responsibility for it.
    case accepted(SMTPReply)
    /// The server did not take it; nobody gets it.
    case refused(SMTPReply)
    /// No recipient was accepted, so it was not sent, and `willSendData` was not called.
    case noRecipients
    /// The end of the message was sent and the answer was lost: it may or may not be delivered, and
    /// sending it again may deliver it twice.
    case unknown(reason: String)
  }

  /// The answer about each recipient, in the order of the envelope.
  package let recipients: [SMTPRecipientResult]
  /// The answer about the message.
  package let outcome: Outcome
}
