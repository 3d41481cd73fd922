import Bytes

extension MessageBuilder {
  /// The names that the builder writes, or must not write (Bcc), in lower case.
  private static let ownNames: Set<String> = [
    "date", "from", "sender", "reply-to", "to", "cc", "bcc", "subject", "message-id",
    "in-reply-to", "references", "mime-version",
  ]

  /// The fields of the message itself, in the order people are used to.
  func header() throws(MessageBuildError) -> [UInt8] {
    guard !from.isEmpty else { throw .missingAuthor }
    var output: [UInt8] = []
    output.append(text: "Date: \(date.formatted)\r\n")
    try write(from, as: "From", field: "from", to: &output)
    // RFC 5322 §3.6.2: several authors need a sender.
    if let sender = sender ?? (from.count > 1 ? from.first : nil) {
      try write([sender], as: "Sender", field: "sender", to: &output)
    }
    try write(replyTo, as: "Reply-To", field: "replyTo", to: &output)
    try write(to, as: "To", field: "to", to: &output)
    try write(cc, as: "Cc", field: "cc", to: &output)
    if let subject { try write(text: subject, as: "Subject", field: "subject", to: &output) }
    try write(ids: [messageID], as: "Message-ID", field: "messageID", to: &output)
    try write(ids: inReplyTo, as: "In-Reply-To", field: "inReplyTo", to: &output)
    try write(ids: references, as: "References", field: "references", to: &output)
    for (index, extra) in extraFields.enumerated() {
      try extra.name.checkForHeader("headers/\(index)/name")
      let name = extra.name.lowercased()
      let isName = extra.name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x3A }
      guard isName, !name.isEmpty, name.utf8.count <= 76, !Self.ownNames.contains(name),
        !name.hasPrefix("content-")
      else { throw .invalidFieldName(field: "headers/\(index)/name") }
      try write(text: extra.value, as: extra.name, field: "headers/\(index)/value", to: &output)
    }
    return output
  }

  private func write(
    _ addresses: [Address],
    as name: String,
    field: String,
    to output: inout [UInt8]
  ) throws(MessageBuildError) {
    guard !addresses.isEmpty else { return }
    var line = HeaderLine(name)
    try line.append(addresses, field: field)
    line.end(into: &output)
  }

  private func write(
    text: String,
    as name: String,
    field: String,
    to output: inout [UInt8]
  ) throws(MessageBuildError) {
    try text.checkForHeader(field)
    var line = HeaderLine(name)
    line.append(unstructured: text)
    line.end(into: &output)
  }

  private func write(
    ids: [String],
    as name: String,
    field: String,
    to output: inout [UInt8]
  ) throws(MessageBuildError) {
    guard !ids.isEmpty else { return }
    var line = HeaderLine(name)
    for id in ids {
      try id.checkForHeader(field)
      guard Self.isMessageID(id) else { throw .invalidMessageID(field: field) }
      line.append(token: "<\(id)>")
    }
    line.end(into: &output)
  }
}
