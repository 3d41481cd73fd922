import MIME
import Testing

/// Checks what holds for every parsed message, however broken the bytes were.
func checkInvariants(of message: ParsedMessage, at location: SourceLocation = #_sourceLocation) {
  for (index, part) in message.parts.enumerated() {
    #expect(part.id == index, sourceLocation: location)
    #expect(part.bodyRange.upperBound <= part.source.count, sourceLocation: location)
    #expect(part.headerRange.upperBound <= part.bodyRange.lowerBound, sourceLocation: location)
    if let parent = part.parent { #expect(parent < index, sourceLocation: location) }
    if case .multipart = part.content { continue }
    #expect(message.part(at: part.path)?.id == index, sourceLocation: location)
    #expect(part.decodedSize() == part.decodedContent().content.count, sourceLocation: location)
    if part.isText { _ = part.decodedText() }
  }
  let structure = message.bodyStructure
  let views = BodyViews(of: structure)
  #expect(
    leaves(of: structure).allSatisfy { leaf in
      [views.textBody, views.htmlBody, views.attachments].contains { $0.contains(leaf) }
    },
    "Every leaf is shown somewhere.",
    sourceLocation: location
  )
  #expect(message.preview().unicodeScalars.count <= 256, sourceLocation: location)
  checkPreview(of: message, views, at: location)
}

/// Checks that the preview is that of the whole text, of which it reads no more than it needs.
private func checkPreview(
  of message: ParsedMessage,
  _ views: BodyViews,
  at location: SourceLocation
) {
  for body in views.textBody + views.htmlBody where body.type.hasPrefix("text/") {
    guard let part = body.partID.flatMap({ message.part(at: $0) }) ?? message.parts.first else {
      continue
    }
    let decoded = part.decodedText()
    // What is no valid text may be read in two ways.
    guard decoded.problem == nil else { return }
    let preview = Preview.text(from: decoded.text, isHTML: body.type == "text/html")
    guard !preview.isEmpty else { continue }
    #expect(message.preview(of: views) == preview, sourceLocation: location)
    return
  }
}

/// The parts below `part` that have content of their own.
func leaves(of part: BodyPart) -> [BodyPart] {
  part.subParts.map { $0.flatMap(leaves) } ?? [part]
}
