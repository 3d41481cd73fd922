import Bytes
import Model

/// Reads the members of one JSON object strictly: each fault is noted with its pointer, and `finish` names
/// every member that nobody asked for.
///
/// ```swift
/// var object = ObjectDecoder(value, faults: faults)
/// let name = object.string("name", .required, length: 1...255)
/// object.finish()
/// try faults.check()
/// ```
///
/// A method returns nil where the member is absent, null or at fault; after `faults.check()` only the
/// first two are left.
struct ObjectDecoder {
  /// Whether a member has to be there.
  enum Need {
    case required, optional
  }

  /// What a merge patch says about one member (RFC 7396).
  enum Change<Value> {
    /// It is not named.
    case unchanged
    /// It is null.
    case cleared
    case set(Value)
  }

  private let members: [JSONValue.Member]
  /// Whether the value is an object; where it is not, that is the one fault to tell.
  private let isObject: Bool
  private var asked: Set<String> = []
  /// The pointer to the object.
  let pointer: String
  let faults: Faults

  /// A decoder of `value`, at `pointer` in the body; a value that is no object is noted as a fault.
  init(_ value: JSONValue, at pointer: String = "", faults: Faults) {
    self.pointer = pointer
    self.faults = faults
    if case .object(let members) = value {
      self.members = members
      isObject = true
    } else {
      members = []
      isObject = false
      faults.add(pointer, .type, "An object is wanted.")
    }
  }

  /// The pointer to the member `name`.
  func pointer(to name: String) -> String { JSONPointer.appending(name, to: pointer) }

  /// Whether the member is there, null or not.
  func has(_ name: String) -> Bool { members.contains { $0.name == name } }

  /// Whether the member is there and not null, whatever it is.
  func isPresent(_ name: String) -> Bool {
    members.contains { $0.name == name && $0.value != .null }
  }

  /// The member as it stands.
  mutating func value(_ name: String, _ need: Need = .optional) -> JSONValue? {
    asked.insert(name)
    if let member = members.first(where: { $0.name == name }) { return member.value }
    if need == .required, isObject {
      faults.add(pointer(to: name), .required, "It is missing.")
    }
    return nil
  }

  /// The member, if it is neither absent nor null; a required one may not be null.
  private mutating func present(_ name: String, _ need: Need) -> JSONValue? {
    guard let value = value(name, need) else { return nil }
    guard value == .null else { return value }
    if need == .required { faults.add(pointer(to: name), .type, "It must not be null.") }
    return nil
  }

  /// A string whose UTF-8 is as long as `length` says.
  mutating func string(
    _ name: String,
    _ need: Need = .optional,
    length: ClosedRange<Int> = 0...1_000_000
  ) -> String? {
    guard let value = present(name, need) else { return nil }
    return Self.string(value, at: pointer(to: name), length: length, faults: faults)
  }

  /// `true` or `false`.
  mutating func bool(_ name: String, _ need: Need = .optional) -> Bool? {
    guard let value = present(name, need) else { return nil }
    guard let flag = value.boolValue else {
      faults.add(pointer(to: name), .type, "true or false is wanted.")
      return nil
    }
    return flag
  }

  /// A whole number in `range`.
  mutating func int(
    _ name: String,
    _ need: Need = .optional,
    in range: ClosedRange<Int64>
  ) -> Int64? {
    guard let value = present(name, need) else { return nil }
    guard let number = value.intValue else {
      faults.add(pointer(to: name), .type, "A whole number is wanted.")
      return nil
    }
    guard range.contains(number) else {
      faults.add(
        pointer(to: name),
        .range,
        "\(range.lowerBound) to \(range.upperBound) is allowed."
      )
      return nil
    }
    return number
  }

  /// An instant in RFC 3339.
  mutating func time(_ name: String, _ need: Need = .optional) -> Timestamp? {
    guard let text = string(name, need, length: 0...64) else { return nil }
    let bytes = Array(text.utf8)
    guard let time = Timestamp(rfc3339: bytes.span) else {
      faults.add(pointer(to: name), .format, "A time as 2026-11-22T10:00:00Z is wanted.")
      return nil
    }
    return time
  }

  /// One of the names of `Value`.
  mutating func choice<Value: RawRepresentable & CaseIterable>(
    _ name: String,
    _ need: Need = .optional,
    as type: Value.Type = Value.self
  ) -> Value? where Value.RawValue == String {
    guard let text = string(name, need) else { return nil }
    guard let choice = Value(rawValue: text) else {
      let names = Value.allCases.map(\.rawValue).joined(separator: ", ")
      faults.add(pointer(to: name), .format, "One of \(names) is wanted.")
      return nil
    }
    return choice
  }

  /// An id of `Noun`.
  mutating func id<Noun: Identified>(
    _ name: String,
    _ need: Need = .optional,
    of noun: Noun.Type
  ) -> ID<Noun>? {
    guard let text = string(name, need) else { return nil }
    return Self.id(text, of: noun, at: pointer(to: name), faults: faults)
  }

  /// An array of up to `limit` values, each with its pointer.
  mutating func array(
    _ name: String,
    _ need: Need = .optional,
    count: ClosedRange<Int>
  ) -> [(pointer: String, value: JSONValue)]? {
    guard let value = present(name, need) else { return nil }
    guard let values = value.arrayValue else {
      faults.add(pointer(to: name), .type, "An array is wanted.")
      return nil
    }
    guard count.contains(values.count) else {
      let bounds = "\(count.lowerBound) to \(count.upperBound) items are allowed."
      faults.add(pointer(to: name), .range, bounds)
      return nil
    }
    let base = pointer(to: name)
    return values.enumerated().map { ("\(base)/\($0.offset)", $0.element) }
  }

  /// An array of up to `limit` strings.
  mutating func strings(
    _ name: String,
    _ need: Need = .optional,
    count: ClosedRange<Int>,
    length: ClosedRange<Int>
  ) -> [String]? {
    guard let values = array(name, need, count: count) else { return nil }
    return values.compactMap {
      Self.string($0.value, at: $0.pointer, length: length, faults: faults)
    }
  }

  /// The decoder of an object.
  mutating func object(_ name: String, _ need: Need = .optional) -> ObjectDecoder? {
    guard let value = present(name, need) else { return nil }
    return ObjectDecoder(value, at: pointer(to: name), faults: faults)
  }

  /// What a patch says about the member, read by `decode` where it is neither absent nor null.
  mutating func change<Value>(
    _ name: String,
    _ decode: (inout ObjectDecoder) -> Value?
  ) -> Change<Value> {
    guard let value = value(name) else { return .unchanged }
    if value == .null { return .cleared }
    guard let decoded = decode(&self) else { return .unchanged }
    return .set(decoded)
  }

  /// Every member, for an object whose names are data; each counts as asked for.
  mutating func all() -> [JSONValue.Member] {
    for member in members { asked.insert(member.name) }
    return members
  }

  /// The members whose names begin with `prefix`; each counts as asked for.
  mutating func all(withPrefix prefix: String) -> [JSONValue.Member] {
    let found = members.filter { $0.name.hasPrefix(prefix) }
    for member in found { asked.insert(member.name) }
    return found
  }

  /// Notes every member that was not asked for.
  func finish() {
    for member in members where !asked.contains(member.name) {
      faults.add(pointer(to: member.name), .unknown, "There is no such member.")
    }
  }
}

extension ObjectDecoder {
  /// `value` as a string whose UTF-8 is as long as `length` says.
  static func string(
    _ value: JSONValue,
    at pointer: String,
    length: ClosedRange<Int>,
    faults: Faults
  ) -> String? {
    guard let text = value.stringValue else {
      faults.add(pointer, .type, "A string is wanted.")
      return nil
    }
    guard length.contains(text.utf8.count) else {
      let bounds = "\(length.lowerBound) to \(length.upperBound) bytes are allowed."
      faults.add(pointer, .length, bounds)
      return nil
    }
    return text
  }

  /// `text` as an id of `Noun`.
  ///
  /// An ill-formed id in a body names nothing, as an unknown one does: both are faults of value.
  static func id<Noun: Identified>(
    _ text: String,
    of noun: Noun.Type,
    at pointer: String,
    faults: Faults
  ) -> ID<Noun>? {
    guard let id = ID<Noun>(text: text) else {
      faults.addValue(pointer, .notFound, "There is nothing with this id.")
      return nil
    }
    return id
  }
}
