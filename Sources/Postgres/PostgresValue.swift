/// A value that can be bound to a statement or written in a COPY, in PostgreSQL's binary form.
///
/// Integers, floats, booleans, bytes and timestamps go with their type. A `String` goes without one,
/// as a quoted literal does, so it also fits an enum, an `inet` or a `uuid` column; where the server
/// cannot infer the type (`concat`, `jsonb_build_object`), write `\(value)::text`.
package protocol PostgresValue: Sendable {
  /// The type that the statement declares for the value.
  static var postgresType: PostgresType { get }

  /// Whether the value stands for NULL, in which case `encode` is not called.
  var isNull: Bool { get }

  /// Appends the binary form, without a length.
  func encode(into buffer: inout PostgresBuffer)
}

extension PostgresValue {
  /// False: only an `Optional` can be NULL.
  package var isNull: Bool { false }
}

/// A value whose arrays can be bound, as `[Int64]` is for `= any(…)` or `unnest(…)`.
package protocol PostgresArrayElement: Sendable {
  /// The type that the statement declares for an array of these.
  static var arrayType: PostgresType { get }

  /// Appends the binary form of an array of these, without a length.
  static func encodeArray(_ elements: [Self], into buffer: inout PostgresBuffer)
}

extension PostgresArrayElement where Self: PostgresValue {
  /// Appends dimensions, element type and elements, NULLs included.
  package static func encodeArray(_ elements: [Self], into buffer: inout PostgresBuffer) {
    buffer.append(Int32(elements.isEmpty ? 0 : 1))
    buffer.append(Int32(elements.contains(where: \.isNull) ? 1 : 0))
    // Inside an array nothing is inferred: strings are text there.
    buffer.append(postgresType == .inferred ? PostgresType.text.rawValue : postgresType.rawValue)
    if elements.isEmpty { return }
    buffer.append(Int32(elements.count))
    buffer.append(Int32(1))
    for element in elements {
      if element.isNull {
        buffer.append(Int32(-1))
      } else {
        buffer.appendWithLength { element.encode(into: &$0) }
      }
    }
  }
}

/// Text of a JSON document, bound as `jsonb`.
package struct JSONText: Hashable, Sendable {
  /// The document as UTF-8.
  package var bytes: [UInt8]

  /// The document with these bytes, which the server checks.
  package init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The document with this text, which the server checks.
  package init(_ text: String) { bytes = Array(text.utf8) }
}
