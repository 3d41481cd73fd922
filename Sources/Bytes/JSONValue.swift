/// A JSON value as a tree, its members in the order of the text.
package enum JSONValue: Sendable, Equatable {
  /// A member of an object.
  package struct Member: Sendable, Equatable {
    package var name: String
    package var value: JSONValue

    package init(name: String, value: JSONValue) {
      self.name = name
      self.value = value
    }
  }

  case null
  case bool(Bool)
  /// A number written without fraction or exponent that fits.
  case int(Int64)
  case double(Double)
  case string(String)
  case array([JSONValue])
  case object([Member])

  /// The value of the member `name`; nil where this is no object or has none.
  package subscript(name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name == name }?.value
  }

  /// The text of a string.
  package var stringValue: String? {
    if case .string(let text) = self { text } else { nil }
  }

  /// The value of an integer.
  package var intValue: Int64? {
    if case .int(let number) = self { number } else { nil }
  }

  /// The values of an array.
  package var arrayValue: [JSONValue]? {
    if case .array(let values) = self { values } else { nil }
  }

  /// The value of `true` or `false`.
  package var boolValue: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  /// The value as JSON text.
  package var encoded: [UInt8] {
    var writer = JSONWriter()
    writer.value(self)
    return writer.finish()
  }
}
