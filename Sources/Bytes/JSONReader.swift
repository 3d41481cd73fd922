#if canImport(Glibc)
import Glibc
#endif

/// Bounds on the JSON that is read.
package struct JSONLimits: Sendable {
  /// How deep arrays and objects may nest.
  package var depth = 64
  /// How many values a text may hold in all.
  package var values = 100_000

  package init() {}
}

/// Why a text is not JSON, and where.
package struct JSONError: Error, Equatable, Sendable {
  /// What is wrong with the text.
  package enum Reason: Sendable {
    case unexpectedEnd
    case unexpectedByte
    case badEscape
    case badUTF8
    case badNumber
    case duplicateMember
    case tooDeep
    case tooManyValues
    case trailingBytes
  }

  package var reason: Reason
  /// What is wrong, as a person is told it, without a full stop.
  package var words: String {
    let fault =
      switch reason {
      case .unexpectedEnd: "The text ends too soon"
      case .unexpectedByte: "Something else is expected"
      case .badEscape: "An escape is broken"
      case .badUTF8: "A string is not UTF-8"
      case .badNumber: "A number is broken or too large"
      case .duplicateMember: "A member is named twice"
      case .tooDeep: "Arrays and objects are nested too deep"
      case .tooManyValues: "There are too many values"
      case .trailingBytes: "Something follows the value"
      }
    return "\(fault), at byte \(offset)"
  }
  /// The offset of the byte at which reading stopped.
  package var offset: Int
}

/// Reads one JSON text (RFC 8259) into a tree.
///
/// A member named twice is refused: readers differ on which counts.
package struct JSONReader {
  private let limits: JSONLimits
  private var valueCount = 0

  private init(limits: JSONLimits) { self.limits = limits }

  /// The value that `text` holds, blanks around it allowed.
  package static func parse(
    _ text: Span<UInt8>,
    limits: JSONLimits = JSONLimits()
  ) throws(JSONError) -> JSONValue {
    var parser = JSONReader(limits: limits)
    var reader = ByteReader(text)
    let value = try parser.value(&reader, depth: 0)
    parser.skipBlanks(&reader)
    guard reader.isAtEnd else { throw JSONError(reason: .trailingBytes, offset: reader.position) }
    return value
  }

  private func fail(_ reason: JSONError.Reason, _ reader: borrowing ByteReader) -> JSONError {
    JSONError(reason: reader.isAtEnd ? .unexpectedEnd : reason, offset: reader.position)
  }

  private func skipBlanks(_ reader: inout ByteReader) {
    while let byte = reader.next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      reader.skip(1)
    }
  }

  private mutating func value(
    _ reader: inout ByteReader,
    depth: Int
  ) throws(JSONError) -> JSONValue {
    guard depth < limits.depth else { throw JSONError(reason: .tooDeep, offset: reader.position) }
    valueCount += 1
    guard valueCount <= limits.values else {
      throw JSONError(reason: .tooManyValues, offset: reader.position)
    }
    skipBlanks(&reader)
    switch reader.next {
    case 0x7B: return try object(&reader, depth: depth)
    case 0x5B: return try array(&reader, depth: depth)
    case 0x22: return .string(try string(&reader))
    case 0x74 where reader.consume("true"): return .bool(true)
    case 0x66 where reader.consume("false"): return .bool(false)
    case 0x6E where reader.consume("null"): return .null
    case .some(let byte) where byte == 0x2D || byte.isASCIIDigit: return try number(&reader)
    default: throw fail(.unexpectedByte, reader)
    }
  }

  private mutating func object(
    _ reader: inout ByteReader,
    depth: Int
  ) throws(JSONError) -> JSONValue {
    reader.skip(1)
    var members: [JSONValue.Member] = []
    var names: Set<String> = []
    skipBlanks(&reader)
    if reader.consume(0x7D) { return .object([]) }
    while true {
      skipBlanks(&reader)
      guard reader.next == 0x22 else { throw fail(.unexpectedByte, reader) }
      let name = try string(&reader)
      guard names.insert(name).inserted else {
        throw JSONError(reason: .duplicateMember, offset: reader.position)
      }
      skipBlanks(&reader)
      guard reader.consume(0x3A) else { throw fail(.unexpectedByte, reader) }
      members.append(.init(name: name, value: try value(&reader, depth: depth + 1)))
      skipBlanks(&reader)
      if reader.consume(0x2C) { continue }
      guard reader.consume(0x7D) else { throw fail(.unexpectedByte, reader) }
      return .object(members)
    }
  }

  private mutating func array(
    _ reader: inout ByteReader,
    depth: Int
  ) throws(JSONError) -> JSONValue {
    reader.skip(1)
    var values: [JSONValue] = []
    skipBlanks(&reader)
    if reader.consume(0x5D) { return .array([]) }
    while true {
      values.append(try value(&reader, depth: depth + 1))
      skipBlanks(&reader)
      if reader.consume(0x2C) { continue }
      guard reader.consume(0x5D) else { throw fail(.unexpectedByte, reader) }
      return .array(values)
    }
  }

  private func string(_ reader: inout ByteReader) throws(JSONError) -> String {
    let start = reader.position
    reader.skip(1)
    var bytes: [UInt8] = []
    while true {
      let plain = reader.take { $0 != 0x22 && $0 != 0x5C && $0 >= 0x20 }
      bytes.append(reader.slice(plain))
      switch reader.byte() {
      case 0x22:
        guard let valid = String(validating: bytes, as: UTF8.self) else {
          throw JSONError(reason: .badUTF8, offset: start)
        }
        return valid
      case 0x5C: try escape(&reader, into: &bytes)
      case nil: throw JSONError(reason: .unexpectedEnd, offset: reader.position)
      default: throw JSONError(reason: .unexpectedByte, offset: reader.position - 1)
      }
    }
  }

  private func escape(
    _ reader: inout ByteReader,
    into bytes: inout [UInt8]
  ) throws(JSONError) {
    switch reader.byte() {
    case 0x22: bytes.append(0x22)
    case 0x5C: bytes.append(0x5C)
    case 0x2F: bytes.append(0x2F)
    case 0x62: bytes.append(0x08)
    case 0x66: bytes.append(0x0C)
    case 0x6E: bytes.append(0x0A)
    case 0x72: bytes.append(0x0D)
    case 0x74: bytes.append(0x09)
    case 0x75:
      var code = try hexDigits(&reader)
      if code & 0xFC00 == 0xD800 {
        guard reader.consume("\\u") else { throw fail(.badEscape, reader) }
        let low = try hexDigits(&reader)
        guard low & 0xFC00 == 0xDC00 else { throw fail(.badEscape, reader) }
        code = 0x10000 + (code & 0x3FF) << 10 + (low & 0x3FF)
      }
      guard let scalar = Unicode.Scalar(code) else { throw fail(.badEscape, reader) }
      bytes.append(contentsOf: Character(scalar).utf8)
    default: throw fail(.badEscape, reader)
    }
  }

  private func hexDigits(_ reader: inout ByteReader) throws(JSONError) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = reader.next?.hexValue else { throw fail(.badEscape, reader) }
      reader.skip(1)
      code = code << 4 | UInt32(digit)
    }
    return code
  }

  private func number(_ reader: inout ByteReader) throws(JSONError) -> JSONValue {
    let start = reader.position
    let isNegative = reader.consume(0x2D)
    let integer = reader.take { $0.isASCIIDigit }
    guard !integer.isEmpty else { throw fail(.badNumber, reader) }
    guard integer.count == 1 || reader.bytes[integer.lowerBound] != 0x30 else {
      throw JSONError(reason: .badNumber, offset: start)
    }
    var isInteger = true
    if reader.consume(0x2E) {
      isInteger = false
      guard !reader.take(while: { $0.isASCIIDigit }).isEmpty else { throw fail(.badNumber, reader) }
    }
    if reader.next == 0x65 || reader.next == 0x45 {
      isInteger = false
      reader.skip(1)
      if reader.next == 0x2B || reader.next == 0x2D { reader.skip(1) }
      guard !reader.take(while: { $0.isASCIIDigit }).isEmpty else { throw fail(.badNumber, reader) }
    }
    let text = String(utf8: reader.slice(start..<reader.position))
    if isInteger, let value = Int64(text), !(isNegative && value == 0) { return .int(value) }
    guard let value = Double(text), value.isFinite else {
      throw JSONError(reason: .badNumber, offset: start)
    }
    return .double(value)
  }
}
