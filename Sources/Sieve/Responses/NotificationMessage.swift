import Bytes
package import MIME

extension ScriptNotification {
  /// The message of a notification by `mailto` (RFC 5436 §2.7) and whom it goes to; nil where the method
  /// is another.
  ///
  /// Its reverse-path is that of the notified message if that is null, else the user's.
  package func mail(
    about header: HeaderFields,
    envelope: ScriptEnvelope,
    date: MIMEDate,
    messageID: String
  ) -> (message: [UInt8], recipients: [String])? {
    guard let uri = MailtoURI(Array(method.utf8)) else { return nil }
    var told = Set(toldBefore.map { ComparedAddress.key(of: $0) })
    let recipients = uri.to.filter { told.insert(ComparedAddress.key(of: $0)).inserted }
    var output = formatField("Date", text: date.formatted)
    output.append(text: "Auto-Submitted: auto-notified; owner-email=\"\(quoted(envelope.to))\"\r\n")
    output += formatField("From", text: "<\(from ?? envelope.to)>")
    output += formatField("To", text: recipients.map { "<\($0)>" }.joined(separator: ", "))
    let fallback = uri.fields.first { $0.name == "subject" }?.value
    let subject = message ?? fallback ?? header.text("Subject") ?? "Notification"
    output += formatField("Subject", text: subject)
    output += formatField("Message-ID", text: "<\(messageID)>")
    if importance != 2 {
      output += formatField("Importance", text: importance == 1 ? "high" : "low")
    }
    for field in uri.fields where !Self.ownFields.contains(field.name) {
      output += formatField(field.name, text: field.value)
    }
    let part = WrittenPart.text(Array((uri.body ?? "").utf8))
    output.append("MIME-Version: 1.0\r\n")
    return (output + part.fields + [.cr, .lf] + part.body, recipients)
  }

  private static let ownFields: Set = [
    "subject", "importance", "mime-version", "content-type", "content-transfer-encoding",
    "content-disposition", "return-path", "references", "in-reply-to",
  ]

  private func quoted(_ address: String) -> String {
    address.filter { $0 != "\"" && $0 != "\\" && $0 != "\r" && $0 != "\n" }
  }
}
