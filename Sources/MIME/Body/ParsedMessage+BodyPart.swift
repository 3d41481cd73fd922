/// The body structure and its views, as RFC 8621 §4.1.4 shows a message.
extension ParsedMessage {
  /// The tree of parts; embedded messages are leaves.
  package var bodyStructure: BodyPart {
    parts.first.map { bodyPart($0) } ?? BodyPart(partID: "1", type: "text/plain")
  }

  /// The body structure of a part, such as the root of an embedded message.
  package func bodyPart(_ part: MessagePart) -> BodyPart {
    var body = BodyPart(
      partID: part.path,
      type: part.contentType.mediaType,
      name: part.name,
      transferEncoding: part.transferEncoding,
      disposition: part.disposition?.type,
      contentID: part.contentID,
      language: part.header.contentLanguage,
      location: part.header.contentLocation
    )
    if case .multipart(let children) = part.content {
      body.partID = nil
      body.subParts = children.map { bodyPart(parts[$0]) }
      body.size = part.bodyRange.count
    } else {
      body.size = part.decodedSize()
      // A multipart that could not be taken apart is shown as the text it is.
      if body.isMultipart { body.type = "text/plain" }
    }
    body.isSizeDecoded = true
    if !part.isInDecodedCopy { body.range = part.bodyRange }
    if part.isText { body.charset = part.contentType.charset ?? "us-ascii" }
    return body
  }

  /// A preview of the first part of the body that has text; empty where none has.
  package func preview(limit: Int = 256) -> String {
    preview(of: BodyViews(of: bodyStructure), limit: limit)
  }

  /// The same, for who has the views of the body structure already.
  package func preview(of views: BodyViews, limit: Int = 256) -> String {
    for body in views.textBody + views.htmlBody where body.type.hasPrefix("text/") {
      guard let part = body.partID.flatMap({ part(at: $0) }) ?? parts.first else { continue }
      let isHTML = body.type == "text/html"
      if !isHTML, let full = part.firstLines.flatMap({ Preview.full(from: $0, limit: limit) }) {
        return full
      }
      let preview = Preview.text(from: part.decodedText().text, isHTML: isHTML, limit: limit)
      if !preview.isEmpty { return preview }
    }
    return ""
  }
}
