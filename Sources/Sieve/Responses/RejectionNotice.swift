import Bytes
package import MIME

/// What tells the sender that a message was rejected once it can't be refused any more: a disposition
/// notification (RFC 5429 §2.2, RFC 8098).
package struct RejectionNotice: Sendable {
  /// Why, in the words of the script.
  package let reason: String
  /// The message as it came, in CRLF.
  package let original: [UInt8]
  /// The envelope it came in.
  package let envelope: ScriptEnvelope

  /// The notice of a rejection; nil where there is no sender to tell (RFC 5429 §2.2).
  package init?(reason: String, original: [UInt8], envelope: ScriptEnvelope) {
    guard !envelope.from.isEmpty else { return nil }
    self.reason = reason
    self.original = original
    self.envelope = envelope
  }

  /// The whole notice, to be sent with a null reverse-path.
  package func message(date: MIMEDate, messageID: String) -> [UInt8] {
    let header = HeaderFields(parsing: original)
    let subject = header.text("Subject") ?? ""
    let boundary = "=_\(messageID.filter { $0.isASCII && ($0.isLetter || $0.isNumber) })"
    var output = formatField("Date", text: date.formatted)
    output += formatField("From", text: "<\(envelope.to)>")
    output += formatField("To", text: "<\(envelope.from)>")
    output += formatField("Subject", text: "Rejected: \(subject)")
    output += formatField("Message-ID", text: "<\(messageID)>")
    if let id = header.messageIDs("Message-ID")?.first {
      output += formatField("In-Reply-To", text: "<\(id)>")
    }
    output.append("Auto-Submitted: auto-replied (rejected)\r\nMIME-Version: 1.0\r\n")
    output.append("Content-Type: multipart/report; report-type=disposition-notification;\r\n")
    output.append(text: " boundary=\"\(boundary)\"\r\n\r\n")
    let explanation = WrittenPart.text(
      Array("Your message was rejected.\r\n\r\n\(reason)\r\n".utf8)
    )
    output.append(text: "--\(boundary)\r\n")
    output += explanation.fields + [.cr, .lf] + explanation.body
    output.append(text: "\r\n--\(boundary)\r\n")
    output.append("Content-Type: message/disposition-notification\r\n\r\n")
    output += formatField("Final-Recipient", text: "rfc822; \(envelope.to)")
    if let id = header.messageIDs("Message-ID")?.first {
      output += formatField("Original-Message-ID", text: "<\(id)>")
    }
    output.append("Disposition: automatic-action/MDN-sent-automatically; deleted\r\n")
    // RFC 8098 §3: the header of the message is enough to know it by.
    output.append(text: "\r\n--\(boundary)\r\nContent-Type: text/rfc822-headers\r\n\r\n")
    output += headerBytes
    output.append(text: "\r\n--\(boundary)--\r\n")
    return output
  }

  private var headerBytes: [UInt8] {
    let range = MessageParser.parse(original).parts.first?.headerRange ?? 0..<0
    return LineEnds.canonical([UInt8](original[range]))
  }
}
