import Bytes

/// A field of a header as it stands in the bytes it was read from (RFC 5322 §2.2).
package struct HeaderField: Hashable, Sendable {
  /// Where the name stands.
  package var name: Range<Int>
  /// Where the body stands: from after the colon to before the final line break, folds included.
  package var body: Range<Int>

  /// A field of two ranges of the bytes around it.
  package init(name: Range<Int>, body: Range<Int>) {
    self.name = name
    self.body = body
  }
}

/// A header: its fields in order, repeated ones kept, each a pair of ranges of the bytes read.
///
/// The bytes are shared with the message, not copied. Names are compared ignoring case. A single
/// lookup gives the *last* field of a name, as RFC 8621 §4.1.3 has it; MIME fields take the first.
package struct HeaderFields: Sendable {
  /// The bytes that the ranges of `fields` refer to.
  package let bytes: [UInt8]
  /// The fields in order.
  package let fields: [HeaderField]

  /// A header of fields whose ranges refer to `bytes`.
  package init(bytes: [UInt8], fields: [HeaderField]) {
    self.bytes = bytes
    self.fields = fields
  }

  /// The header that `bytes` begin with, such as the answer to `BODY[HEADER]`.
  package init(parsing bytes: [UInt8], limits: MIMELimits = MIMELimits()) {
    var scanner = HeaderScanner(limits: limits)
    scanner.scan(bytes.span, from: 0, boundaries: [])
    self.init(bytes: bytes, fields: scanner.fields)
  }

  /// The first field of this name.
  package func first(_ name: String) -> HeaderField? {
    fields.first { matches($0, name) }
  }

  /// The last field of this name.
  package func last(_ name: String) -> HeaderField? {
    fields.last { matches($0, name) }
  }

  /// All fields of this name in order.
  package func all(_ name: String) -> [HeaderField] {
    fields.filter { matches($0, name) }
  }

  /// The name of a field as the message spells it.
  package func name(of field: HeaderField) -> String {
    String(headerBytes: bytes.span.extracting(field.name))
  }

  private func matches(_ field: HeaderField, _ name: String) -> Bool {
    let wanted = name.utf8
    guard wanted.count == field.name.count else { return false }
    var index = field.name.lowerBound
    for byte in wanted {
      guard bytes[index].asciiLowercased == byte.asciiLowercased else { return false }
      index += 1
    }
    return true
  }
}

/// The parsed forms of RFC 8621 §4.1.2, of one field.
extension HeaderFields {
  /// The body as it stands, in UTF-8, without NUL.
  package func raw(_ field: HeaderField) -> String {
    let body = bytes.span.extracting(field.body)
    if body.firstIndex(of: 0) == nil { return String(utf8: body) }
    let kept = body.array.filter { $0 != 0 }
    return String(utf8: kept.span)
  }

  /// The body unfolded, encoded words decoded, without leading spaces.
  package func text(_ field: HeaderField) -> String {
    var body = bytes.span.extracting(field.body)
    while body.count > 0, body[0].isFieldSpace { body = body.extracting(1..<body.count) }
    return EncodedWords.decode(body)
  }

  /// The body as addresses, the members of groups among them.
  package func addresses(_ field: HeaderField) -> [Address] {
    parseAddressList(bytes.span.extracting(field.body))
  }

  /// The body as message IDs; nil where it has none.
  package func messageIDs(_ field: HeaderField) -> [String]? {
    let ids = MessageIDList.parse(bytes.span.extracting(field.body))
    return ids.isEmpty ? nil : ids
  }

  /// The body as a date; nil where it is none.
  package func date(_ field: HeaderField) -> MIMEDate? {
    MIMEDate.parse(bytes.span.extracting(field.body))
  }

  /// The body as URLs in brackets (RFC 2369 §2); nil where it has none.
  package func urls(_ field: HeaderField) -> [String]? {
    var urls: [String] = []
    var reader = ByteReader(bytes.span.extracting(field.body))
    while !reader.isAtEnd {
      reader.skipCFWS()
      guard reader.consume(0x3C) else {
        reader.skip(1)
        continue
      }
      let url = reader.copy(reader.take(upTo: 0x3E)).filter { $0 > .space }
      if !url.isEmpty { urls.append(String(headerBytes: url.span)) }
    }
    return urls.isEmpty ? nil : urls
  }
}

/// The same forms by name, of the last field of that name.
extension HeaderFields {
  /// The text of the last field of this name.
  package func text(_ name: String) -> String? { last(name).map { text($0) } }

  /// The addresses of the last field of this name.
  package func addresses(_ name: String) -> [Address]? { last(name).map { addresses($0) } }

  /// The message IDs of the last field of this name.
  package func messageIDs(_ name: String) -> [String]? { last(name).flatMap { messageIDs($0) } }

  /// The date of the last field of this name.
  package func date(_ name: String) -> MIMEDate? { last(name).flatMap { date($0) } }
}
