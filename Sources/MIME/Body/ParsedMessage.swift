import Bytes

/// A message taken apart: its parts in one flat array, with offsets into the bytes.
package struct ParsedMessage: Sendable {
  /// The whole message as it came.
  package let bytes: [UInt8]
  /// The parts, depth first; `parts[0]` is the message itself.
  package let parts: [MessagePart]
  /// What is wrong with the message; defects of content show when it is decoded.
  package let defects: [Defect]

  init(bytes: [UInt8], parts: [MessagePart], defects: [Defect]) {
    self.bytes = bytes
    self.parts = parts
    self.defects = defects
  }

  /// The header of the message.
  package var header: HeaderFields {
    parts.first?.header ?? HeaderFields(bytes: bytes, fields: [])
  }

  /// The part with this IMAP section number, never a multipart.
  package func part(at path: String) -> MessagePart? {
    parts.first { part in
      if case .multipart = part.content { return false }
      return part.path == path
    }
  }
}

/// The content of parts.
extension MessagePart {
  /// The content as bytes, transfer encoding removed, and what was wrong with it.
  ///
  /// A multipart, and an embedded message that is not encoded, stand as they are.
  package func decodedContent() -> (content: [UInt8], defect: Defect.Kind?) {
    TransferDecoder.decode(source.span.extracting(bodyRange), from: contentEncoding)
  }

  /// The content of a text part as a string with LF line breaks, and what was wrong with it.
  package func decodedText() -> DecodedText {
    let (content, defect) = decodedContent()
    var decoded = Charset.decode(content.span, charset: textCharset(of: content.span))
    if let defect { decoded.problem = decoded.problem ?? defect }
    if case .unknown = transferEncoding { decoded.problem = .unknownTransferEncoding }
    decoded.text = Self.normalisingLineBreaks(decoded.text)
    return decoded
  }

  /// The lines of the first two kilobytes of a text whose lines stand by themselves, in UTF-8; nil of any other.
  ///
  /// A preview needs no more of most texts. Where no charset is stated, text that begins as UTF-8 is read as that, whatever follows.
  var firstLines: [UInt8]? {
    guard contentEncoding.isIdentity, Charset.admitsUTF8(contentType.charset) else { return nil }
    let begun = source.span.extracting(bodyRange).extracting(first: 2 << 10)
    guard let lf = begun.indices.last(where: { begun[$0] == .lf }) else { return nil }
    let lines = begun.extracting(0..<lf)
    // A byte order mark is no part of the first line.
    if lines.count > 0, lines[0] == 0xEF { return nil }
    guard (try? UTF8Span(validating: lines)) != nil else { return nil }  // It is something else.
    return lines.array
  }

  /// How many bytes the content has when decoded, counted in chunks without holding it.
  package func decodedSize() -> Int {
    guard !contentEncoding.isIdentity else { return bodyRange.count }
    if contentEncoding == .base64 {
      return Base64Decoder.decodedSize(of: source.span.extracting(bodyRange))
    }
    let chunk = 64 << 10
    var decoder = TransferDecoder(contentEncoding)
    var buffer: [UInt8] = []
    var size = 0
    var start = bodyRange.lowerBound
    while start < bodyRange.upperBound {
      let end = min(start + chunk, bodyRange.upperBound)
      buffer.removeAll(keepingCapacity: true)
      decoder.receive(source.span.extracting(start..<end), into: &buffer)
      size += buffer.count
      start = end
    }
    buffer.removeAll(keepingCapacity: true)
    decoder.finish(into: &buffer)
    return size + buffer.count
  }

  /// The encoding that counts: a multipart has none, whatever its header says (RFC 2045 §6.4).
  private var contentEncoding: TransferEncoding {
    if case .multipart = content { return .binary }
    return transferEncoding
  }

  /// The charset of the header, or for HTML without one that of its `meta` element.
  private func textCharset(of content: Span<UInt8>) -> String? {
    if let charset = contentType.charset { return charset }
    return contentType.subtype == "html" ? HTMLText.declaredCharset(content) : nil
  }

  private static func normalisingLineBreaks(_ text: String) -> String {
    var text = text
    text.makeContiguousUTF8()
    let bytes = text.utf8.span
    guard bytes.firstIndex(of: .cr) != nil else { return text }
    var output: [UInt8] = []
    output.reserveCapacity(bytes.count)
    var line = 0
    while let lf = bytes.firstIndex(of: .lf, from: line) {
      output.append(bytes.extracting(line..<(lf > line && bytes[lf - 1] == .cr ? lf - 1 : lf)))
      output.append(.lf)
      line = lf + 1
    }
    output.append(bytes.extracting(line..<bytes.count))
    return String(decoding: output, as: UTF8.self)
  }
}
