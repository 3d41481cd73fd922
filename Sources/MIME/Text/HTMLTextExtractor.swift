import Bytes

/// Reads HTML byte by byte into text.
struct HTMLTextExtractor {
  private(set) var output: [UInt8] = []

  mutating func read(_ html: Span<UInt8>, limit: Int) {
    var reader = ByteReader(html)
    while !reader.isAtEnd, output.count < limit {
      appendText(reader.slice(reader.take { $0 != 0x3C && $0 != 0x26 }))
      if reader.next == 0x26 {
        HTMLEntities.decode(&reader, into: &output)
      } else if reader.next == 0x3C {
        readMarkup(&reader)
      }
    }
  }

  /// Appends text, its line breaks as spaces: in HTML only elements break lines.
  private mutating func appendText(_ text: Span<UInt8>) {
    for index in text.indices {
      let byte = text[index]
      output.append(byte.isFieldSpace ? .space : byte)
    }
  }

  private mutating func readMarkup(_ reader: inout ByteReader) {
    if reader.consume("<!--") {
      skip(past: "-->", &reader)
      return
    }
    guard let next = reader.peek(1),
      next.isASCIILetter || next == 0x2F || next == 0x21 || next == 0x3F
    else {
      output.append(0x3C)
      reader.skip(1)
      return
    }
    reader.skip(1)
    let isEnd = reader.consume(0x2F)
    let name = String(
      lowercasing: reader.slice(reader.take { $0.isASCIILetter || $0.isASCIIDigit })
    )
    skipAttributes(&reader)
    if !isEnd { skipHidden(name, &reader) }
    if Self.blocks.contains(name) {
      output.append(.lf)
    } else if name == "td" || name == "th" {
      output.append(.space)
    }
  }

  /// Goes behind the `>` of a tag, past any in quotes.
  ///
  /// A quote that has no end is text of the tag: browsers swallow the rest, a preview should not.
  private func skipAttributes(_ reader: inout ByteReader) {
    let longestTag = 16 << 10
    let start = reader.position
    var quote: UInt8?
    while let byte = reader.next, reader.position - start < longestTag {
      reader.skip(1)
      if let open = quote {
        if byte == open { quote = nil }
      } else if byte == 0x3E {
        return
      } else if byte == .quote || byte == 0x27 {
        quote = byte
      }
    }
    reader.seek(to: start)
    _ = reader.take(upTo: 0x3E)
    reader.skip(1)
  }

  /// Skips the content of an element that is not shown.
  private func skipHidden(_ name: String, _ reader: inout ByteReader) {
    switch name {
    case "script": skip(to: "</SCRIPT", &reader)
    case "style": skip(to: "</STYLE", &reader)
    case "title": skip(to: "</TITLE", &reader)
    case "textarea": skip(to: "</TEXTAREA", &reader)
    case "template": skip(to: "</TEMPLATE", &reader)
    default: break
    }
  }

  private func skip(to end: StaticString, _ reader: inout ByteReader) {
    while !reader.isAtEnd {
      _ = reader.take(upTo: 0x3C)
      let start = reader.position
      if reader.consume(ignoringCase: end) {
        reader.seek(to: start)
        return
      }
      reader.skip(1)
    }
  }

  private func skip(past end: StaticString, _ reader: inout ByteReader) {
    while !reader.isAtEnd {
      _ = reader.take(upTo: 0x2D)
      if reader.consume(end) { return }
      reader.skip(1)
    }
  }

  /// The elements that begin and end a line.
  private static let blocks: Set<String> = [
    "address", "article", "aside", "blockquote", "br", "center", "dd", "div", "dl", "dt", "footer",
    "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p",
    "pre", "section", "table", "tbody", "tfoot", "thead", "tr", "ul",
  ]
}
