/// What a message offers to read and to save: the views of RFC 8621 §4.1.4.
///
/// Computed by the algorithm that the RFC suggests, over a body structure from any source.
package struct BodyViews: Hashable, Sendable {
  /// The parts to show in turn where plain text is preferred.
  package private(set) var textBody: [BodyPart] = []
  /// The parts to show in turn where HTML is preferred.
  package private(set) var htmlBody: [BodyPart] = []
  /// The parts to offer for saving, depth first.
  package private(set) var attachments: [BodyPart] = []

  /// The views of a body structure.
  package init(of structure: BodyPart) {
    var collector = Collector()
    collector.collect([structure], of: "mixed", inAlternative: false, to: .both)
    textBody = collector.textBody
    htmlBody = collector.htmlBody
    attachments = collector.attachments
  }

  /// Whether a person would see an attachment: one that is not marked inline.
  package var hasAttachment: Bool {
    attachments.contains { $0.disposition != "inline" }
  }
}

/// The lists as they grow, and the recursion of the RFC's `parseStructure`.
private struct Collector {
  /// Which lists a branch of an alternative still feeds (a null list in the RFC's code).
  struct Targets: Hashable {
    var text: Bool
    var html: Bool

    static let both = Targets(text: true, html: true)
  }

  var textBody: [BodyPart] = []
  var htmlBody: [BodyPart] = []
  var attachments: [BodyPart] = []

  mutating func collect(
    _ parts: [BodyPart],
    of subtype: String,
    inAlternative: Bool,
    to given: Targets
  ) {
    var targets = given
    let textCount = textBody.count
    let htmlCount = htmlBody.count
    for (index, part) in parts.enumerated() {
      if part.isMultipart {
        let inner = String(part.type.dropFirst("multipart/".count))
        collect(
          part.subParts ?? [],
          of: inner,
          inAlternative: inAlternative || inner == "alternative",
          to: targets
        )
      } else if !isInline(part, at: index, of: subtype) {
        attachments.append(part)
      } else if subtype == "alternative" {
        add(alternative: part, to: targets)
      } else {
        if inAlternative, part.type == "text/plain" { targets.html = false }
        if inAlternative, part.type == "text/html" { targets.text = false }
        add(part, to: targets)
      }
    }
    guard subtype == "alternative", targets == .both else { return }
    shareSoleAlternative(textFrom: textCount, htmlFrom: htmlCount)
  }

  /// Whether a part belongs to the body rather than to the attachments.
  private func isInline(_ part: BodyPart, at index: Int, of subtype: String) -> Bool {
    let isMedia = part.isInlineMedia
    guard part.disposition != "attachment",
      part.type == "text/plain" || part.type == "text/html" || isMedia
    else { return false }
    // In multipart/related only the first part is the body; elsewhere a text part with a name,
    // not the first, is taken as a file.
    return index == 0 || (subtype != "related" && (isMedia || part.name == nil))
  }

  private mutating func add(alternative part: BodyPart, to targets: Targets) {
    switch part.type {
    case "text/plain" where targets.text: textBody.append(part)
    case "text/html" where targets.html: htmlBody.append(part)
    case "text/plain", "text/html": break
    default: attachments.append(part)
    }
  }

  private mutating func add(_ part: BodyPart, to targets: Targets) {
    if targets.text { textBody.append(part) }
    if targets.html { htmlBody.append(part) }
    if !(targets.text && targets.html), part.isInlineMedia { attachments.append(part) }
  }

  /// Where an alternative gave only one kind, the other view shows it too.
  private mutating func shareSoleAlternative(textFrom: Int, htmlFrom: Int) {
    if textBody.count == textFrom, htmlBody.count != htmlFrom {
      textBody += htmlBody[htmlFrom...]
    } else if htmlBody.count == htmlFrom, textBody.count != textFrom {
      htmlBody += textBody[textFrom...]
    }
  }
}

extension BodyPart {
  /// Whether the part is of a kind that a reader shows in place.
  fileprivate var isInlineMedia: Bool {
    type.hasPrefix("image/") || type.hasPrefix("audio/") || type.hasPrefix("video/")
  }
}
