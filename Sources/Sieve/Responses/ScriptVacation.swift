package import MIME

/// An automatic reply that a script asks for (RFC 5230).
package struct ScriptVacation: Hashable, Sendable {
  /// Why the message must not be answered.
  package enum Suppression: String, Hashable, Sendable {
    /// The message has no sender to answer.
    case nullSender
    /// The sender is a daemon or the owner of a list.
    case automatedSender
    /// The message came by a mailing list.
    case mailingList
    /// The message says that it was made automatically, or that it wants no answer.
    case automatic
    /// The user wrote it.
    case ownAddress
    /// The user is not among those it is addressed to.
    case notAddressed
  }

  /// The text, or with `isMIME` a MIME entity.
  package var reason: String
  /// Whether the reason has a header of its own.
  package var isMIME = false
  /// The subject of the reply.
  package var subject = ""
  /// Who answers, as a mailbox; nil for the recipient of the envelope.
  package var from: String?
  /// The message ID that is answered, without brackets.
  package var inReplyTo: String?
  /// The message IDs that the message refers to.
  package var references: [String] = []
  /// What tells this reply from others to the same sender; to be kept with the sender's address.
  package var tracking = ""
  /// For how many seconds the sender is not answered again; 0 for each time.
  package var seconds: Int64 = 0
  /// Where a copy is filed.
  package var fcc: ScriptFiledCopy?
  /// Why no reply may be sent; nil where one may.
  package var suppression: Suppression?

  /// A reply of a text.
  package init(reason: String) { self.reason = reason }

  /// The whole reply, to be sent with a null reverse-path and NOTIFY=NEVER (RFC 5230 §5.1).
  package func message(
    to envelope: ScriptEnvelope,
    date: MIMEDate,
    messageID: String,
    boundarySeed: [UInt8]
  ) throws(MessageBuildError) -> [UInt8] {
    var builder = MessageBuilder(date: date, messageID: messageID)
    let author = parseAddressList(Array((from ?? envelope.to).utf8).span)
    builder.from = author.isEmpty ? [Address(email: envelope.to)] : author
    builder.to = [Address(email: envelope.from)]
    builder.subject = Self.line(subject)
    if let inReplyTo, MessageBuilder.isMessageID(inReplyTo) {
      builder.inReplyTo = [inReplyTo]
      let known = references.filter { MessageBuilder.isMessageID($0) }.suffix(20)
      builder.references = known + [inReplyTo]
    }
    builder.extraFields = [
      MessageBuilder.ExtraField(name: "Auto-Submitted", value: "auto-replied (vacation)"),
      MessageBuilder.ExtraField(name: "X-Auto-Response-Suppress", value: "All"),
    ]
    guard isMIME else {
      builder.text = reason
      return try builder.build(boundarySeed: boundarySeed)
    }
    builder.text = ""
    let frame = try builder.build(boundarySeed: boundarySeed)
    let part = WrittenPart.entity(Array(reason.utf8))
    return Self.withoutContent(frame) + part.fields + [0x0D, 0x0A] + part.body
  }

  /// The fields of a message but for those of its content.
  private static func withoutContent(_ message: [UInt8]) -> [UInt8] {
    let header = HeaderFields(parsing: message)
    var kept: [UInt8] = []
    for field in header.fields {
      let name = [UInt8](message[field.name]).lowercased
      guard !name.starts(with: Array("content-".utf8)) else { continue }
      let end = MessageState.lineEnd(behind: field.body.upperBound, in: message.span)
      kept += message[field.name.lowerBound..<end]
    }
    return kept
  }

  /// A text on one line.
  private static func line(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? " " : $0 }
      )
    )
  }
}
