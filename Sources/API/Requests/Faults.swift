import Model

/// Gathers what is wrong with one request, so that the caller learns all of it at once.
///
/// A fault of *shape* (an unknown member, a wrong type, a length) makes the answer 400; one of *value* (well
/// formed, but it cannot be carried out) makes it 422 where the shape is right.
final class Faults {
  private(set) var shape: [FieldError] = []
  private(set) var value: [FieldError] = []

  /// How many faults are reported at most.
  private static let limit = 50

  /// Whether nothing is wrong so far.
  var isEmpty: Bool { shape.isEmpty && value.isEmpty }

  /// Notes a fault of shape.
  func add(_ pointer: String, _ code: FaultCode, _ detail: String) {
    guard shape.count < Self.limit else { return }
    // What is there and is wrong is not missing as well, nor is what would stand in it.
    if code == .required, shape.contains(where: { $0.holds(pointer) }) { return }
    shape.append(FieldError(pointer: pointer, code: code.rawValue, detail: detail))
  }

  /// Notes a fault of value.
  func addValue(_ pointer: String, _ code: FaultCode, _ detail: String) {
    guard value.count < Self.limit else { return }
    value.append(FieldError(pointer: pointer, code: code.rawValue, detail: detail))
  }

  /// Throws what was noted.
  func check() throws(ServiceError) {
    guard !isEmpty else { return }
    let all = shape + value
    let message = all.map { $0.pointer.isEmpty ? $0.detail : "\($0.pointer): \($0.detail)" }
      .prefix(3).joined(separator: " ")
    let onlyUnknownParameters = all.allSatisfy {
      $0.code == FaultCode.unknown.rawValue && $0.pointer.hasPrefix("?")
    }
    let code: ErrorCode =
      onlyUnknownParameters ? .unknownParameter : shape.isEmpty ? .unprocessable : .invalidRequest
    throw ServiceError(code, message, fields: all)
  }
}

extension FieldError {
  /// Whether the fault is of `other`, or of what `other` would stand in.
  fileprivate func holds(_ other: String) -> Bool {
    other == pointer || code == FaultCode.type.rawValue && other.hasPrefix("\(pointer)/")
  }
}

/// The short stable code of one fault.
enum FaultCode: String, CaseIterable {
  /// A member or parameter is missing.
  case required
  /// A member or parameter that is not known here.
  case unknown
  /// A value of another JSON type than the wanted one.
  case type
  /// A text that is not written as wanted.
  case format
  /// A number, or a count of items, outside its bounds.
  case range
  /// A text that is too long or too short.
  case length
  /// A character that must not stand there: CR, LF or NUL.
  case forbiddenCharacter = "forbidden_character"
  /// A parameter that came more than once.
  case repeated
  /// Members that exclude one another.
  case conflict
  /// What the service does not do yet.
  case unsupported
  /// An id that names nothing that the token may see.
  case notFound = "not_found"
}

/// JSON pointers (RFC 6901).
enum JSONPointer {
  /// The pointer to the member `name` of what `base` points to.
  static func appending(_ name: String, to base: String) -> String {
    let escaped = name.replacing("~", with: "~0").replacing("/", with: "~1")
    return "\(base)/\(escaped)"
  }
}
