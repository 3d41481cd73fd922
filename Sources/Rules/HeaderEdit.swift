import Bytes
package import MIME
import Sieve

/// A change of a message's header (RFC 5293), as rules ask for it.
package enum HeaderEdit: Sendable, Hashable {
  case add(name: String, value: String)
  case delete(name: String)

  /// The header with this change; nil where it changes nothing.
  ///
  /// A field that is there with the same value is not added once more: rules may look at a message again and again.
  package func applied(to header: HeaderFields) -> HeaderFields? {
    switch self {
    case .add(let name, let value):
      let value = Self.trimmed(value)
      let known = ComparedValues.texts(of: name.lowercased(), in: header)
      return known.contains(Array(value.utf8)) ? nil : header.adding(name, value)
    case .delete(let name):
      let fields = header.all(name)
      return fields.isEmpty ? nil : header.removing(fields)
    }
  }

  /// A value as a header has it: without blanks at its ends.
  static func trimmed(_ value: String) -> String {
    let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
    let start = value.drop(while: isBlank)
    return String(start.reversed().drop(while: isBlank).reversed())
  }
}
