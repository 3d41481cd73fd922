/// A statement whose values are bound, never spliced.
///
/// ```swift
/// let statement: SQL = "select id from account where name = \(name) and state = any(\(states))"
/// ```
/// An interpolation becomes `$1`, `$2`…; text that is to stand in the statement itself says so:
/// `\(unsafeSQL: columns)`. A `SQL` inside a `SQL` is joined with its values. Statements with equal
/// text share one prepared statement a connection, so vary the values and not the text.
package struct SQL: Sendable, ExpressibleByStringInterpolation {
  /// The statement with `$1`, `$2`… where values stand.
  package private(set) var text: String
  /// The values in order.
  var bindings = Bindings()
  /// Where each placeholder begins in the UTF-8 of `text`, so that statements can be joined.
  private var placeholders: [Int] = []

  /// The values of a statement, encoded one after another.
  struct Bindings: Sendable {
    /// What libpq is told about one value.
    struct Entry: Sendable {
      var type: PostgresType
      var isBinary: Bool
      /// Where the value begins in `buffer`.
      var offset: Int
      /// The length of the value, nil for NULL.
      var length: Int?
    }
    var entries: [Entry] = []
    var buffer = PostgresBuffer()
    /// A text value holds a NUL, which PostgreSQL cannot keep and libpq would cut the value at.
    var hasNUL = false
  }

  /// A statement without values.
  package init(stringLiteral value: String) { text = value }

  /// A statement built by interpolation.
  package init(stringInterpolation: Interpolation) { self = stringInterpolation.sql }

  /// A statement from text that is known to be safe.
  package init(unsafeSQL text: String) { self.text = text }

  /// Appends another statement, its values renumbered behind those here.
  package mutating func append(_ other: SQL) {
    if other.bindings.entries.isEmpty {
      text += other.text
      return
    }
    let bytes = Array(other.text.utf8)
    var start = 0
    for (index, placeholder) in other.placeholders.enumerated() {
      text += String(decoding: bytes[start..<placeholder], as: UTF8.self)
      appendPlaceholder(number: bindings.entries.count + index + 1)
      start = placeholder + 1
      while start < bytes.count, bytes[start] >= 0x30, bytes[start] <= 0x39 { start += 1 }
    }
    text += String(decoding: bytes[start...], as: UTF8.self)
    bindings.append(other.bindings)
  }

  /// Appends text that holds no value.
  mutating func append(unsafeSQL other: String) { text += other }

  /// Appends a placeholder and binds `value` to it.
  package mutating func bind(_ value: some PostgresValue) {
    appendPlaceholder(number: bindings.entries.count + 1)
    bindings.append(value)
  }

  private mutating func appendPlaceholder(number: Int) {
    placeholders.append(text.utf8.count)
    text += "$\(number)"
  }

  /// Both statements, one after the other.
  package static func + (left: SQL, right: SQL) -> SQL {
    var sum = left
    sum.append(right)
    return sum
  }

  /// Appends the right statement to the left one.
  package static func += (left: inout SQL, right: SQL) { left.append(right) }
}

extension SQL {
  /// Collects the text and the values of an interpolated statement.
  package struct Interpolation: StringInterpolationProtocol {
    fileprivate var sql = SQL(unsafeSQL: "")

    /// An empty statement.
    package init(literalCapacity: Int, interpolationCount: Int) {}

    /// Appends text of the source code.
    package mutating func appendLiteral(_ literal: String) { sql.append(unsafeSQL: literal) }

    /// Binds `value`.
    package mutating func appendInterpolation(_ value: some PostgresValue) { sql.bind(value) }

    /// Binds an optional value; an overload of its own, or the compiler takes it for a slip.
    package mutating func appendInterpolation<Value: PostgresValue>(_ value: Value?) {
      sql.bind(value)
    }

    /// Joins another statement with its values.
    package mutating func appendInterpolation(_ other: SQL) { sql.append(other) }

    /// Splices `text`, which must never come from outside.
    package mutating func appendInterpolation(unsafeSQL text: String) {
      sql.append(unsafeSQL: text)
    }
  }
}

extension SQL.Bindings {
  mutating func append<Value: PostgresValue>(_ value: Value) {
    let isBinary = Value.postgresType != .inferred
    let offset = buffer.count
    var length: Int?
    if !value.isNull {
      value.encode(into: &buffer)
      length = buffer.count - offset
      if !isBinary {
        hasNUL = hasNUL || buffer.bytes[offset...].contains(0)
        buffer.append(0 as UInt8)  // libpq takes the length of a text value from its end.
      }
    }
    entries.append(
      Entry(type: Value.postgresType, isBinary: isBinary, offset: offset, length: length)
    )
  }

  mutating func append(_ other: SQL.Bindings) {
    let shift = buffer.count
    buffer.append(other.buffer.bytes)
    for var entry in other.entries {
      entry.offset += shift
      entries.append(entry)
    }
    hasNUL = hasNUL || other.hasNUL
  }
}
