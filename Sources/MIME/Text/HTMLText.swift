import Bytes

/// The text of HTML for previews and search: small, tolerant, and not meant for display.
///
/// Tags are dropped, block elements break the line, entities are decoded, and what a reader does not
/// show (`head`, `script`, `style`, comments) is left out. It never fails: what looks like no tag is
/// text.
package enum HTMLText {
  /// The text of `html`, at most some `limit` bytes of it.
  package static func plainText(_ html: String, limit: Int = .max) -> String {
    let bytes = [UInt8](html.utf8)
    var extractor = HTMLTextExtractor()
    extractor.read(bytes.span, limit: limit)
    return String(decoding: extractor.output, as: UTF8.self)
  }

  /// The charset that a `meta` element near the beginning declares; nil where none does.
  package static func declaredCharset(_ html: Span<UInt8>) -> String? {
    let searched = 1_024  // The WHATWG HTML Standard's prescan looks no further.
    var reader = ByteReader(html.extracting(0..<min(html.count, searched)))
    while !reader.isAtEnd {
      _ = reader.take(upTo: 0x3C)
      guard reader.consume(ignoringCase: "<META") else {
        reader.skip(1)
        continue
      }
      let tag = reader.slice(reader.take(upTo: 0x3E))
      if let charset = charset(inMeta: tag) { return charset }
    }
    return nil
  }

  private static func charset(inMeta tag: Span<UInt8>) -> String? {
    var reader = ByteReader(tag)
    while !reader.isAtEnd {
      guard reader.consume(ignoringCase: "CHARSET") else {
        reader.skip(1)
        continue
      }
      reader.skipWhitespace()
      guard reader.consume(0x3D) else { continue }
      _ = reader.take { $0.isFieldSpace || $0 == .quote || $0 == 0x27 }
      let name = reader.take { byte in
        byte.isASCIILetter || byte.isASCIIDigit || byte == 0x2D || byte == 0x5F
      }
      return name.isEmpty ? nil : String(lowercasing: reader.slice(name))
    }
    return nil
  }
}
