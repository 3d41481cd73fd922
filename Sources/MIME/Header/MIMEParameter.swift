/// A parameter of a structured field, such as `charset=utf-8`, decoded.
package struct MIMEParameter: Hashable, Sendable {
  /// The name in lower case, without RFC 2231's `*` suffixes.
  package var name: String
  /// The value, decoded.
  package var value: String

  /// A parameter of a lower-case name and a decoded value.
  package init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }
}

extension [MIMEParameter] {
  /// The value of the first parameter of this lower-case name.
  package subscript(_ name: String) -> String? {
    first { $0.name == name }?.value
  }
}
