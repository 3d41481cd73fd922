import Bytes
import HTTP
import HTTPTransport
import Model

/// Reads the query parameters of a request strictly: `finish` throws every fault and names every parameter
/// that nobody asked for.
struct QueryDecoder {
  private let parameters: [QueryParameter]
  private var asked: [String] = []
  let faults = Faults()

  /// A decoder of the query of `request`; throws where a name in it cannot be read.
  init(_ request: HTTPRequest) throws(ServiceError) {
    do throws(HTTPTargetError) {
      parameters = try request.query
    } catch {
      throw ServiceError(.invalidRequest, "A parameter's name cannot be read. \(error.words).")
    }
  }

  /// A text; nil where the parameter is absent.
  mutating func string(_ name: String, length: ClosedRange<Int> = 0...8192) -> String? {
    asked.append(name)
    var found: Result<String, HTTPTargetError>?
    for parameter in parameters where parameter.name == name {
      if found != nil {
        faults.add("?\(name)", .repeated, "It may come once only.")
        return nil
      }
      found = parameter.value
    }
    guard let found else { return nil }
    return text(found, of: name, length: length)
  }

  /// The values, without those at fault, of a parameter that may come more than once.
  mutating func strings(
    _ name: String,
    count: Int,
    length: ClosedRange<Int> = 0...8192
  ) -> [String] {
    asked.append(name)
    let found = parameters.filter { $0.name == name }
    if found.count > count { faults.add("?\(name)", .range, "At most \(count) are allowed.") }
    return found.compactMap { text($0.value, of: name, length: length) }
  }

  /// The text that a parameter holds; nil where it is none, or not of this length, which is noted.
  private func text(
    _ value: Result<String, HTTPTargetError>,
    of name: String,
    length: ClosedRange<Int>
  ) -> String? {
    switch value {
    case .success(let text):
      guard length.contains(text.utf8.count) else {
        let bounds = "\(length.lowerBound) to \(length.upperBound) bytes are allowed."
        faults.add("?\(name)", .length, bounds)
        return nil
      }
      return text
    case .failure(.nul):
      // A text like any other, which cannot be stored: told as in a body.
      faults.addValue("?\(name)", .forbiddenCharacter, StorableJSON.detail)
      return nil
    case .failure(let error):
      faults.add("?\(name)", .format, "\(error.words).")
      return nil
    }
  }

  /// `true` or `false`.
  mutating func bool(_ name: String) -> Bool? {
    switch string(name) {
    case nil: return nil
    case "true": return true
    case "false": return false
    default:
      faults.add("?\(name)", .format, "true or false is wanted.")
      return nil
    }
  }

  /// A whole number in `range`.
  mutating func int(_ name: String, in range: ClosedRange<Int64>) -> Int64? {
    guard let text = string(name) else { return nil }
    guard let number = Int64(text) else {
      faults.add("?\(name)", .format, "A whole number is wanted.")
      return nil
    }
    guard range.contains(number) else {
      faults.add("?\(name)", .range, "\(range.lowerBound) to \(range.upperBound) is allowed.")
      return nil
    }
    return number
  }

  /// An instant in RFC 3339; a `+` that was not escaped, and so reads as a space, is taken for one.
  mutating func time(_ name: String) -> Timestamp? {
    guard let text = string(name) else { return nil }
    var bytes = Array(text.utf8)
    if let space = bytes.lastIndex(of: .space), space > 10 { bytes[space] = 0x2B }
    guard let time = Timestamp(rfc3339: bytes.span) else {
      faults.add("?\(name)", .format, "A time as 2026-11-22T10:00:00Z is wanted.")
      return nil
    }
    return time
  }

  /// One of the names of `Value`.
  mutating func choice<Value: RawRepresentable & CaseIterable>(
    _ name: String,
    as type: Value.Type = Value.self
  ) -> Value? where Value.RawValue == String {
    guard let text = string(name) else { return nil }
    guard let choice = Value(rawValue: text) else {
      let names = Value.allCases.map(\.rawValue).joined(separator: ", ")
      faults.add("?\(name)", .format, "One of \(names) is wanted.")
      return nil
    }
    return choice
  }

  /// Names with commas between, each one of `known`.
  mutating func names(_ name: String, known: [String]) -> Set<String>? {
    guard let text = string(name) else { return nil }
    var names: Set<String> = []
    for part in text.split(separator: ",") {
      guard known.contains(String(part)) else {
        faults.add("?\(name)", .format, "\"\(part)\" is none of \(known.joined(separator: ", ")).")
        continue
      }
      names.insert(String(part))
    }
    if text.isEmpty {
      faults.add("?\(name)", .format, "At least one of \(known.joined(separator: ", ")) is wanted.")
    }
    return names
  }

  /// Throws what is wrong, every parameter that was not asked for included.
  func finish() throws(ServiceError) {
    for parameter in parameters where !asked.contains(parameter.name) {
      faults.add("?\(parameter.name)", .unknown, "There is no such parameter.")
    }
    try faults.check()
  }
}
