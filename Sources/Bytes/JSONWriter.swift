/// Writes JSON into memory of its own, commas included, with no `String` in between.
///
/// ```swift
/// var json = JSONWriter()
/// json.object { json in
///   json.key("items")
///   json.array { json in json.string("a") }
/// }
/// send(json.finish())
/// ```
package struct JSONWriter: ~Copyable {
  private var bytes: [UInt8]
  private var needsComma = false

  /// A writer with room for `capacity` bytes before it grows.
  package init(capacity: Int = 1024) {
    bytes = []
    bytes.reserveCapacity(capacity)
  }

  /// A writer that goes on behind `bytes`, which `finish` gives back with what was written.
  package init(appendingTo bytes: consuming [UInt8]) { self.bytes = bytes }

  /// How many bytes were written.
  package var count: Int { bytes.count }

  /// What was written; the writer is used up.
  package consuming func finish() -> [UInt8] { bytes }

  private mutating func separate() {
    if needsComma { bytes.append(0x2C) }
    needsComma = true
  }

  /// `{`, followed by keys and values until `endObject`.
  package mutating func beginObject() {
    separate()
    bytes.append(0x7B)
    needsComma = false
  }

  /// `}`.
  package mutating func endObject() {
    bytes.append(0x7D)
    needsComma = true
  }

  /// `[`, followed by values until `endArray`.
  package mutating func beginArray() {
    separate()
    bytes.append(0x5B)
    needsComma = false
  }

  /// `]`.
  package mutating func endArray() {
    bytes.append(0x5D)
    needsComma = true
  }

  /// An object whose members `body` writes.
  package mutating func object<E: Error>(_ body: (inout JSONWriter) throws(E) -> Void) throws(E) {
    beginObject()
    try body(&self)
    endObject()
  }

  /// An array whose values `body` writes.
  package mutating func array<E: Error>(_ body: (inout JSONWriter) throws(E) -> Void) throws(E) {
    beginArray()
    try body(&self)
    endArray()
  }

  /// A member's name that needs no escape; its value comes next.
  package mutating func key(_ name: StaticString) {
    separate()
    bytes.append(0x22)
    bytes.append(name)
    bytes.append(0x22)
    bytes.append(0x3A)
    needsComma = false
  }

  /// A member's name of any text.
  package mutating func key(text name: String) {
    string(name)
    bytes.append(0x3A)
    needsComma = false
  }

  /// A member's name of UTF-8 text; its value comes next.
  package mutating func key(_ name: Span<UInt8>) {
    string(name)
    bytes.append(0x3A)
    needsComma = false
  }

  /// A member's name of ASCII bytes that `body` appends and that need no escape; its value comes next.
  package mutating func unescapedKey(_ body: (inout [UInt8]) -> Void) {
    unescapedString(body)
    bytes.append(0x3A)
    needsComma = false
  }

  /// A string of UTF-8 text.
  ///
  /// Ill-formed UTF-8 is written as it stands: callers hold valid text.
  package mutating func string(_ text: Span<UInt8>) {
    separate()
    bytes.append(0x22)
    escape(text)
    bytes.append(0x22)
  }

  /// A string of two pieces of UTF-8 text with an ASCII byte between them that needs no escape.
  package mutating func string(
    _ first: Span<UInt8>,
    _ separator: UInt8,
    _ second: Span<UInt8>
  ) {
    separate()
    bytes.append(0x22)
    escape(first)
    bytes.append(separator)
    escape(second)
    bytes.append(0x22)
  }

  /// A string of text.
  package mutating func string(_ text: String) {
    var text = text
    text.makeContiguousUTF8()
    separate()
    bytes.append(0x22)
    escape(text.utf8.span)
    bytes.append(0x22)
  }

  /// A string, or null.
  package mutating func string(_ text: String?) {
    if let text { string(text) } else { null() }
  }

  /// A string literal that needs no escape.
  package mutating func string(literal text: StaticString) {
    separate()
    bytes.append(0x22)
    bytes.append(text)
    bytes.append(0x22)
  }

  /// A string of ASCII bytes that `body` appends and that need no escape.
  package mutating func unescapedString(_ body: (inout [UInt8]) -> Void) {
    separate()
    bytes.append(0x22)
    body(&bytes)
    bytes.append(0x22)
  }

  /// An integer.
  @inlinable
  package mutating func int(_ number: some FixedWidthInteger) {
    int(isNegative: number < 0, magnitude: UInt64(number.magnitude))
  }

  @usableFromInline
  mutating func int(isNegative: Bool, magnitude: UInt64) {
    separate()
    if isNegative { bytes.append(0x2D) }
    bytes.append(magnitude: magnitude)
  }

  /// A number; null where it is not finite, since JSON has no such number.
  package mutating func double(_ number: Double) {
    guard number.isFinite else { return null() }
    separate()
    bytes.append(text: number.description)
  }

  /// `true` or `false`.
  package mutating func bool(_ value: Bool) {
    separate()
    bytes.append(value ? "true" : "false")
  }

  /// `null`.
  package mutating func null() {
    separate()
    bytes.append("null")
  }

  /// JSON text that is one whole value already.
  package mutating func raw(_ json: Span<UInt8>) {
    separate()
    bytes.append(json)
  }

  /// A whole tree.
  package mutating func value(_ value: JSONValue) {
    switch value {
    case .null: null()
    case .bool(let value): bool(value)
    case .int(let value): int(value)
    case .double(let value): double(value)
    case .string(let value): string(value)
    case .array(let values):
      beginArray()
      for value in values { self.value(value) }
      endArray()
    case .object(let members):
      beginObject()
      for member in members {
        key(text: member.name)
        self.value(member.value)
      }
      endObject()
    }
  }

  private mutating func escape(_ text: Span<UInt8>) {
    var start = 0
    for index in 0..<text.count {
      let byte = text[index]
      guard byte < 0x20 || byte == 0x22 || byte == 0x5C else { continue }
      bytes.append(text.extracting(start..<index))
      start = index + 1
      switch byte {
      case 0x22: bytes.append("\\\"")
      case 0x5C: bytes.append("\\\\")
      case 0x0A: bytes.append("\\n")
      case 0x0D: bytes.append("\\r")
      case 0x09: bytes.append("\\t")
      default:
        bytes.append("\\u00")
        bytes.append(Hex.digit(byte >> 4))
        bytes.append(Hex.digit(byte & 15))
      }
    }
    bytes.append(text.extracting(start..<text.count))
  }
}
