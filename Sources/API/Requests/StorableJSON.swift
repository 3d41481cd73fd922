import Bytes

/// A body whose texts can be stored: where one holds U+0000, which PostgreSQL cannot keep, that is told, and a letter
/// stands in its place so that everything else that is wrong, and no more, is told in the same answer.
struct StorableJSON {
  let value: JSONValue
  /// The pointers to the texts that hold it.
  let pointers: [String]

  init(_ body: JSONValue) {
    var pointers: [String] = []
    value = Self.clean(body, at: "", &pointers)
    self.pointers = pointers
  }

  /// What is wrong with such a text.
  static let detail = "U+0000 is not allowed."

  /// Notes the texts that hold it, of a value at `base` in the body.
  func note(in faults: Faults, at base: String = "") {
    for pointer in pointers { faults.addValue(base + pointer, .forbiddenCharacter, Self.detail) }
  }

  /// Whether `pointer` names such a text, or the array that it is an item of: what else is wrong there comes of that.
  func explains(_ pointer: String) -> Bool {
    pointers.contains { known in
      guard known.hasPrefix(pointer) else { return false }
      let rest = known.utf8.dropFirst(pointer.utf8.count)
      return rest.isEmpty
        || rest.first == UInt8(ascii: "/") && rest.dropFirst().allSatisfy(\.isASCIIDigit)
    }
  }

  private static func clean(
    _ value: JSONValue,
    at pointer: String,
    _ pointers: inout [String]
  ) -> JSONValue {
    switch value {
    case .string(let text):
      guard text.utf8.contains(0) else { return value }
      pointers.append(pointer)
      return .string(text.replacing("\0", with: "x"))
    case .array(let values):
      return .array(
        values.enumerated().map { clean($0.element, at: "\(pointer)/\($0.offset)", &pointers) }
      )
    case .object(let members):
      return .object(
        members.map { member in
          let inner = JSONPointer.appending(member.name, to: pointer)
          return .init(name: member.name, value: clean(member.value, at: inner, &pointers))
        }
      )
    default: return value
    }
  }
}
