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
}
