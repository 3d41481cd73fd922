import Bytes

/// An ordered list of field lines (RFC 9110 §5): repeated ones are kept, names compare in any case.
///
/// Names and values are ranges of one byte array, so that a parsed request costs no `String` a field.
/// Nothing is checked when a field is added: `ResponseEncoder` refuses a response whose fields could
/// break its framing (CR, LF, NUL), so injection is stopped on the only way out.
package struct HTTPFields: Sendable {
  /// One field line: where its name and its value stand in `bytes`.
  struct Entry: Sendable {
    var name: Range<Int>
    var value: Range<Int>
  }

  /// What the entries point into; for a parsed request, its whole head.
  var bytes: [UInt8]
  var entries: [Entry]

  /// No fields.
  package init() {
    bytes = []
    entries = []
  }

  init(bytes: [UInt8], entries: [Entry]) {
    self.bytes = bytes
    self.entries = entries
  }

  /// How many field lines there are.
  package var count: Int { entries.count }

  /// Whether there is none.
  package var isEmpty: Bool { entries.isEmpty }
}

// MARK: - Looking up

extension HTTPFields {
  /// The value of the first field called `name`, which is written in lower case.
  package subscript(_ name: StaticString) -> String? {
    withValue(of: name) { String(utf8: $0) }
  }

  /// Whether a field is called `name`, which is written in lower case.
  package func contains(_ name: StaticString) -> Bool {
    index(of: name) != nil
  }

  /// The values of every field called `name`, in order.
  package func values(of name: StaticString) -> [String] {
    var found: [String] = []
    for entry in entries where matches(entry, name) {
      found.append(String(utf8: bytes.span.extracting(entry.value)))
    }
    return found
  }

  /// Every field called `name` as one comma-separated list (RFC 9110 §5.3); nil where there is none.
  package func list(_ name: StaticString) -> String? {
    let found = values(of: name)
    return found.isEmpty ? nil : found.joined(separator: ", ")
  }

  /// Lends the bytes of the first field called `name` to `body`; nil where there is none.
  package func withValue<Result, Failure: Error>(
    of name: StaticString,
    _ body: (Span<UInt8>) throws(Failure) -> Result
  ) throws(Failure) -> Result? {
    guard let index = index(of: name) else { return nil }
    return try body(bytes.span.extracting(entries[index].value))
  }

  /// Calls `body` with each name and value, in order.
  package func forEach<Failure: Error>(
    _ body: (_ name: Span<UInt8>, _ value: Span<UInt8>) throws(Failure) -> Void
  ) throws(Failure) {
    let span = bytes.span
    for entry in entries {
      try body(span.extracting(entry.name), span.extracting(entry.value))
    }
  }

  /// Whether the comma-separated fields called `name` hold `token`, written in lower case, in any case.
  package func hasToken(_ token: StaticString, in name: StaticString) -> Bool {
    for entry in entries where matches(entry, name) {
      var reader = ByteReader(bytes.span.extracting(entry.value))
      while !reader.isAtEnd {
        let item = reader.slice(reader.take(upTo: 0x2C))
        if item.extracting(item.trimmingBlanks).equalsIgnoringCase(token) { return true }
        reader.skip(1)
      }
    }
    return false
  }

  private func index(of name: StaticString) -> Int? {
    entries.firstIndex { matches($0, name) }
  }

  func matches(_ entry: Entry, _ name: StaticString) -> Bool {
    entry.name.count == name.utf8CodeUnitCount
      && bytes.span.extracting(entry.name).equalsIgnoringCase(name)
  }
}

// MARK: - Building

extension HTTPFields {
  /// Adds a field at the end.
  package mutating func append(_ name: StaticString, _ value: String) {
    let start = bytes.count
    bytes.append(name)
    let middle = bytes.count
    bytes.append(text: value)
    entries.append(Entry(name: start..<middle, value: middle..<bytes.count))
  }

  /// Adds a field at the end whose value is a constant.
  package mutating func append(_ name: StaticString, constant value: StaticString) {
    let start = bytes.count
    bytes.append(name)
    let middle = bytes.count
    bytes.append(value)
    entries.append(Entry(name: start..<middle, value: middle..<bytes.count))
  }

  /// Adds a field at the end whose name, too, is only known at run time.
  package mutating func append(name: String, _ value: String) {
    let start = bytes.count
    bytes.append(text: name)
    let middle = bytes.count
    bytes.append(text: value)
    entries.append(Entry(name: start..<middle, value: middle..<bytes.count))
  }

  /// Puts `value` in the place of every field called `name`.
  package mutating func set(_ name: StaticString, _ value: String) {
    remove(name)
    append(name, value)
  }

  /// Removes every field called `name`.
  package mutating func remove(_ name: StaticString) {
    guard let first = index(of: name) else { return }
    var kept = Array(entries[..<first])
    kept.append(contentsOf: entries[(first + 1)...].filter { !matches($0, name) })
    entries = kept
  }
}

extension HTTPFields: ExpressibleByDictionaryLiteral {
  /// The fields of a literal, in its order; a name may come more than once.
  package init(dictionaryLiteral elements: (String, String)...) {
    self.init()
    for (name, value) in elements { append(name: name, value) }
  }
}

extension HTTPFields: Equatable {
  /// Whether both have the same names, in any case, with the same values in the same order.
  package static func == (left: HTTPFields, right: HTTPFields) -> Bool {
    guard left.count == right.count else { return false }
    for (one, other) in zip(left.entries, right.entries) {
      guard left.bytes[one.value] == right.bytes[other.value],
        left.bytes[one.name].elementsEqual(
          right.bytes[other.name],
          by: { $0.asciiLowercased == $1.asciiLowercased }
        )
      else { return false }
    }
    return true
  }
}
