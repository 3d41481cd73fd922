import Bytes
import MIME
import Model
import Store

/// Tells the sender of a message who did not get it: a delivery status notification (RFC 3464, RFC 6522).
///
/// ```
/// Content-Type: multipart/report; report-type=delivery-status; boundary="…"
///   text/plain                for people
///   message/delivery-status   for programs
///   text/rfc822-headers       the header of the message, to know it by
/// ```
/// A header with UTF-8 in it is `message/global-headers` (RFC 6533 §4).
///
/// It has the null reverse-path and is never sent, but kept in the account of the sender: nothing answers it, and it cannot go round.
struct DeliveryStatusNotification {
  let submission: SubmissionRecord
  /// The message that was not delivered.
  let original: [UInt8]
  /// What the service calls itself.
  let hostName: String
  /// The server that the message was handed to, or should have been.
  let remoteHost: String?
  let date: MIMEDate
  let messageID: String
  /// Random bytes that the boundary is made of, 34 at most: it has 70 characters at most (RFC 2046 §5.1.1).
  let seed: [UInt8]

  /// How much of the original's header is returned.
  private static let headerLimit = 65_536

  /// The recipients that did not get the message, or of whom that is not known.
  static func failures(of submission: SubmissionRecord) -> [RecipientRecord] {
    submission.recipients.filter { $0.state == "refused" || $0.state == "unknown" }
  }

  /// The whole message.
  var message: [UInt8] {
    let header = HeaderFields(parsing: original)
    let boundary = "=_\(Hex.encode(seed.span))"
    var output: [UInt8] = []
    output.append("Return-Path: <>\r\n")
    output += formatField("Date", text: date.formatted)
    output += formatField("From", text: "Mail delivery <MAILER-DAEMON@\(hostName)>")
    output += formatField("To", address: submission.sender)
    output += formatField("Subject", text: "Not delivered: \(header.text("Subject") ?? "")")
    output += formatField("Message-ID", text: "<\(messageID)>")
    if let id = submission.messageID { output += formatField("In-Reply-To", text: "<\(id)>") }
    output.append("Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n")
    output.append("Content-Type: multipart/report; report-type=delivery-status;\r\n")
    output.append(text: " boundary=\"\(boundary)\"\r\n\r\n")
    let parts = [explanation, status, returnedHeader]
    for part in parts {
      output.append(text: "--\(boundary)\r\n")
      output += part
      output.append("\r\n")
    }
    output.append(text: "--\(boundary)--\r\n")
    return output
  }

  private var explanation: [UInt8] {
    var text = "The message could not be delivered to everybody.\r\n"
    for recipient in Self.failures(of: submission) {
      text += "\r\n\(recipient.address)\r\n    "
      text +=
        recipient.state == "unknown"
        ? "It is not known whether the server took it, so it is not sent again."
        : "It is not tried any more."
      if let reply = recipient.reply { text += " The last answer: \(reply)" }
      text += "\r\n"
    }
    // Of any length, and in any script: base64 has no line that is too long.
    let body = Array(Base64.standard.encode(Array(text.utf8).span))
    var output: [UInt8] = []
    output.append("Content-Type: text/plain; charset=utf-8\r\n")
    output.append("Content-Transfer-Encoding: base64\r\n")
    for start in stride(from: 0, to: body.count, by: 76) {
      output += [.cr, .lf] + body[start..<min(start + 76, body.count)]
    }
    return output
  }

  private var status: [UInt8] {
    var output: [UInt8] = []
    output.append("Content-Type: message/delivery-status\r\n\r\n")
    output += formatField("Reporting-MTA", text: "dns; \(hostName)")
    output += formatField(
      "Arrival-Date",
      text: MIMEDate(seconds: submission.createdAt.seconds).formatted
    )
    for recipient in Self.failures(of: submission) {
      output.append("\r\n")
      output += formatField("Final-Recipient", text: Self.typed(recipient.address))
      output.append("Action: failed\r\n")
      output += formatField("Status", text: Self.status(of: recipient))
      if recipient.code != nil, let remoteHost {
        output += formatField("Remote-MTA", text: "dns; \(remoteHost)")
      }
      if let code = recipient.code {
        output += formatField(
          "Diagnostic-Code",
          text: "smtp; \(code) \(recipient.enhancedStatus ?? "") \(recipient.reply ?? "")"
        )
      }
      if let last = submission.attempts.last?.startedAt {
        output += formatField(
          "Last-Attempt-Date",
          text: MIMEDate(seconds: last.seconds).formatted
        )
      }
    }
    return output
  }

  private var returnedHeader: [UInt8] {
    let range = MessageParser.parse(original).parts.first?.headerRange ?? 0..<0
    let header = LineEnds.canonical([UInt8](original[range].prefix(Self.headerLimit)))
    var output: [UInt8] = []
    let isASCII = header.allSatisfy { $0 < 0x80 }
    // Other bytes than UTF-8 are of no type that is defined; the older one asks for less.
    let isGlobal = !isASCII && (try? UTF8Span(validating: header.span)) != nil
    output.append("Content-Type: ")
    output.append(text: isGlobal ? "message/global-headers" : "text/rfc822-headers")
    output.append("\r\n")
    if !isASCII { output.append("Content-Transfer-Encoding: 8bit\r\n") }
    return output + [.cr, .lf] + header
  }

  /// The enhanced status code (RFC 3463): the server's own, or one that says as much as is known.
  private static func status(of recipient: RecipientRecord) -> String {
    if recipient.state == "unknown" { return "4.4.2" }
    if let status = recipient.enhancedStatus { return status }
    // What was put off until its time was over (§3.5); without a code no server could be reached.
    return recipient.code.map { $0 >= 500 ? "5.0.0" : "4.4.7" } ?? "4.4.7"
  }

  /// An address with its type; one beyond ASCII as `utf-8-addr-xtext`, the form for 7-bit reports (RFC 6533 §3).
  private static func typed(_ address: String) -> String {
    guard !address.utf8.allSatisfy({ $0 < 0x80 }) else { return "rfc822; \(address)" }
    let text = address.unicodeScalars.map { scalar in
      // QCHAR: what is printable, without what xtext (RFC 3461 §4) and this form escape with.
      (0x21...0x7E).contains(scalar.value) && !["+", "=", "\\"].contains(scalar)
        ? String(scalar) : "\\x{\(String(scalar.value, radix: 16, uppercase: true))}"
    }
    return "utf-8; \(text.joined())"
  }
}
