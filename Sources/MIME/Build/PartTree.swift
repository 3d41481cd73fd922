import Bytes

/// The body of a message as a tree of MIME entities, ready to be written.
indirect enum PartTree {
  /// Content of its own: the entity's header fields, and the content by its encoding.
  case leaf(header: [UInt8], content: [UInt8], encoding: TransferEncoding)
  /// A multipart of this subtype.
  case multipart(subtype: String, parameters: [MIMEParameter], parts: [PartTree])

  /// A text part.
  init(text: String, subtype: String) {
    let body = BodyText(text)
    let type = ContentType("text", subtype, [MIMEParameter("charset", "utf-8")])
    var header: [UInt8] = []
    Self.write(type, body.encoding, to: &header)
    self = .leaf(header: header, content: body.bytes, encoding: body.encoding)
  }

  /// An attachment; `place` names it in errors.
  init(_ attachment: MessageBuilder.Attachment, place: String) throws(MessageBuildError) {
    var type = attachment.contentType
    try type.check("\(place)/type")
    try attachment.name?.checkForHeader("\(place)/name")
    let isMessage = type.type == "message"
    let encoding = isMessage ? Self.identity(of: attachment.content) : .base64
    if encoding == .base64, isMessage {
      // RFC 2046 §5.2.1 forbids base64 for messages, so what no line can carry travels as a file.
      type = ContentType("application", "octet-stream")
    }
    var header: [UInt8] = []
    Self.write(type, encoding, to: &header)
    if let id = attachment.contentID {
      try id.checkForHeader("\(place)/cid")
      guard MessageBuilder.isMessageID(id) else { throw .invalidMessageID(field: "\(place)/cid") }
      header.append(text: "Content-ID: <\(id)>\r\n")
    }
    var line = HeaderLine("Content-Disposition")
    line.append(token: attachment.isInline ? "inline" : "attachment")
    if let name = attachment.name { line.append([MIMEParameter("filename", name)]) }
    line.end(into: &header)
    let content = encoding == .base64 ? attachment.content : BodyText.normalised(attachment.content)
    self = .leaf(header: header, content: content, encoding: encoding)
  }

  private static func write(
    _ type: ContentType,
    _ encoding: TransferEncoding,
    to header: inout [UInt8]
  ) {
    var line = HeaderLine("Content-Type")
    line.append(token: type.mediaType)
    line.append(type.parameters)
    line.end(into: &header)
    header.append(text: "Content-Transfer-Encoding: \(encoding.name)\r\n")
  }

  /// 7bit or 8bit, or base64 where the content is neither.
  private static func identity(of content: [UInt8]) -> TransferEncoding {
    var column = 0
    var isEightBit = false
    for byte in content {
      if byte == .cr || byte == .lf {
        column = 0
        continue
      }
      column += 1
      if byte == 0 || column > 998 { return .base64 }
      if byte >= 0x80 { isEightBit = true }
    }
    return isEightBit ? .eightBit : .sevenBit
  }

  /// Whether `boundary` stands in content that is written as it is.
  func contains(_ boundary: [UInt8]) -> Bool {
    switch self {
    case .leaf(_, let content, let encoding):
      return encoding.isIdentity && content.span.contains(boundary.span)
    case .multipart(_, _, let parts):
      return parts.contains { $0.contains(boundary) }
    }
  }
}

extension ContentType {
  /// Refuses what is no media type of a leaf, or cannot be written.
  fileprivate func check(_ field: String) throws(MessageBuildError) {
    try mediaType.checkForHeader(field)
    let names = [type, subtype] + parameters.map(\.name)
    let areTokens = names.allSatisfy { name in
      !name.isEmpty && name.utf8.count <= 64 && name.utf8.allSatisfy(\.isTokenCharacter)
    }
    guard areTokens, type != "multipart" else { throw .invalidContentType(field: field) }
    for parameter in parameters {
      try parameter.value.checkForHeader(field)
      // RFC 2231's marks would make of it another parameter.
      guard !parameter.name.contains("*") else { throw .invalidContentType(field: field) }
    }
  }
}

extension MessageBuilder {
  /// The entities that text, HTML and attachments make.
  ///
  ///     mixed( alternative( text, related( html, inline… ) ), attachment… )
  ///
  /// with every multipart left out that would hold one part only.
  func bodyTree() throws(MessageBuildError) -> PartTree {
    var related: [PartTree] = []
    var mixed: [PartTree] = []
    for (index, attachment) in attachments.enumerated() {
      let part = try PartTree(attachment, place: "attachments/\(index)")
      if html != nil, attachment.isInline, attachment.contentID != nil {
        related.append(part)
      } else {
        mixed.append(part)
      }
    }
    var bodies: [PartTree] = []
    if let text { bodies.append(PartTree(text: text, subtype: "plain")) }
    if let html {
      let part = PartTree(text: html, subtype: "html")
      let parameters = [MIMEParameter("type", "text/html")]
      bodies.append(
        related.isEmpty
          ? part
          : .multipart(subtype: "related", parameters: parameters, parts: [part] + related)
      )
    }
    if bodies.count > 1 {
      bodies = [.multipart(subtype: "alternative", parameters: [], parts: bodies)]
    }
    if mixed.isEmpty { return bodies.first ?? PartTree(text: "", subtype: "plain") }
    return .multipart(subtype: "mixed", parameters: [], parts: bodies + mixed)
  }
}

extension Span<UInt8> {
  /// Whether `wanted` occurs.
  fileprivate func contains(_ wanted: Span<UInt8>) -> Bool {
    guard !wanted.isEmpty else { return true }
    var start = 0
    while let found = firstIndex(of: wanted[0], from: start), found + wanted.count <= count {
      if extracting(found..<found + wanted.count).elementsEqual(wanted) { return true }
      start = found + 1
    }
    return false
  }
}
