package import Bytes

extension Bool: PostgresValue, PostgresArrayElement {
  package static var postgresType: PostgresType { .bool }
  package static var arrayType: PostgresType { .boolArray }
  package func encode(into buffer: inout PostgresBuffer) { buffer.append(self ? 1 : 0 as UInt8) }
}

extension Int16: PostgresValue, PostgresArrayElement {
  package static var postgresType: PostgresType { .int2 }
  package static var arrayType: PostgresType { .int2Array }
  package func encode(into buffer: inout PostgresBuffer) { buffer.append(self) }
}

extension Int32: PostgresValue, PostgresArrayElement {
  package static var postgresType: PostgresType { .int4 }
  package static var arrayType: PostgresType { .int4Array }
  package func encode(into buffer: inout PostgresBuffer) { buffer.append(self) }
}

extension Int64: PostgresValue, PostgresArrayElement {
  package static var postgresType: PostgresType { .int8 }
  package static var arrayType: PostgresType { .int8Array }
  package func encode(into buffer: inout PostgresBuffer) { buffer.append(self) }
}

extension Int: PostgresValue, PostgresArrayElement {
  package static var postgresType: PostgresType { .int8 }
  package static var arrayType: PostgresType { .int8Array }
  package func encode(into buffer: inout PostgresBuffer) { buffer.append(Int64(self)) }
}

extension Double: PostgresValue, PostgresArrayElement {
  package static var postgresType: PostgresType { .float8 }
  package static var arrayType: PostgresType { .float8Array }
  package func encode(into buffer: inout PostgresBuffer) { buffer.append(bitPattern) }
}

extension String: PostgresValue, PostgresArrayElement {
  package static var postgresType: PostgresType { .inferred }
  package static var arrayType: PostgresType { .textArray }
  package func encode(into buffer: inout PostgresBuffer) { buffer.append(self) }
}

extension Timestamp: PostgresValue, PostgresArrayElement {
  /// Between 1970 and 2000-01-01, where PostgreSQL starts to count.
  static let epochOffset: Int64 = 946_684_800_000_000

  package static var postgresType: PostgresType { .timestamptz }
  package static var arrayType: PostgresType { .timestamptzArray }
  package func encode(into buffer: inout PostgresBuffer) {
    let (value, overflowed) = microseconds.subtractingReportingOverflow(Self.epochOffset)
    // The smallest values are PostgreSQL's `-infinity`, which is what an overflow means too.
    buffer.append(overflowed ? Int64.min : value)
  }
}

extension JSONText: PostgresValue, PostgresArrayElement {
  package static var postgresType: PostgresType { .jsonb }
  package static var arrayType: PostgresType { .jsonbArray }
  package func encode(into buffer: inout PostgresBuffer) {
    buffer.append(1 as UInt8)  // The version of jsonb's binary form.
    buffer.append(bytes)
  }
}

/// Arrays of bytes are `bytea`, not arrays.
extension UInt8: PostgresArrayElement {
  package static var arrayType: PostgresType { .bytea }
  package static func encodeArray(_ elements: [UInt8], into buffer: inout PostgresBuffer) {
    buffer.append(elements)
  }
}

extension Array: PostgresValue where Element: PostgresArrayElement {
  package static var postgresType: PostgresType { Element.arrayType }
  package func encode(into buffer: inout PostgresBuffer) {
    Element.encodeArray(self, into: &buffer)
  }
}

/// Arrays of `bytea`.
extension Array: PostgresArrayElement where Element == UInt8 {
  package static var arrayType: PostgresType { .byteaArray }
}

extension Optional: PostgresValue where Wrapped: PostgresValue {
  package static var postgresType: PostgresType { Wrapped.postgresType }
  package var isNull: Bool { self == nil }
  package func encode(into buffer: inout PostgresBuffer) { self?.encode(into: &buffer) }
}

/// Arrays with NULLs in them.
extension Optional: PostgresArrayElement where Wrapped: PostgresValue & PostgresArrayElement {
  package static var arrayType: PostgresType { Wrapped.arrayType }
}
