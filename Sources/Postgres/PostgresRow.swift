package import Bytes

/// One row of a result; a view that keeps the result alive.
package struct PostgresRow: Sendable {
  /// The result that the row stands in.
  package let rows: PostgresRows
  /// The number of the row.
  package let index: Int

  /// Whether the value is NULL.
  package func isNull(_ column: Int) -> Bool { rows.isNull(index, column) }

  /// The value in binary form, borrowed from the result; empty for NULL.
  @_lifetime(borrow self)
  package func bytes(_ column: Int) -> Span<UInt8> {
    let span = rows.bytes(index, column)
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  /// An integer of any width.
  package func int64(_ column: Int) throws(PostgresError) -> Int64 {
    try rows.int64(index, column)
  }

  /// An integer of any width; nil for NULL.
  package func optionalInt64(_ column: Int) throws(PostgresError) -> Int64? {
    try rows.optionalInt64(index, column)
  }

  /// An integer that fits `Int`.
  package func int(_ column: Int) throws(PostgresError) -> Int { try rows.int(index, column) }

  /// An integer that fits 32 bits.
  package func int32(_ column: Int) throws(PostgresError) -> Int32 {
    try rows.int32(index, column)
  }

  /// An integer that fits 32 bits; nil for NULL.
  package func optionalInt32(_ column: Int) throws(PostgresError) -> Int32? {
    try rows.optionalInt32(index, column)
  }

  /// An integer that fits 16 bits.
  package func int16(_ column: Int) throws(PostgresError) -> Int16 {
    try rows.int16(index, column)
  }

  /// A boolean.
  package func bool(_ column: Int) throws(PostgresError) -> Bool { try rows.bool(index, column) }

  /// A boolean; nil for NULL.
  package func optionalBool(_ column: Int) throws(PostgresError) -> Bool? {
    try rows.optionalBool(index, column)
  }

  /// A floating-point number.
  package func double(_ column: Int) throws(PostgresError) -> Double {
    try rows.double(index, column)
  }

  /// A floating-point number; nil for NULL.
  package func optionalDouble(_ column: Int) throws(PostgresError) -> Double? {
    try rows.optionalDouble(index, column)
  }

  /// Text.
  package func string(_ column: Int) throws(PostgresError) -> String {
    try rows.string(index, column)
  }

  /// Text; nil for NULL.
  package func optionalString(_ column: Int) throws(PostgresError) -> String? {
    try rows.optionalString(index, column)
  }

  /// An instant.
  package func timestamp(_ column: Int) throws(PostgresError) -> Timestamp {
    try rows.timestamp(index, column)
  }

  /// An instant; nil for NULL.
  package func optionalTimestamp(_ column: Int) throws(PostgresError) -> Timestamp? {
    try rows.optionalTimestamp(index, column)
  }

  /// The bytes of a value as an array of their own.
  package func byteArray(_ column: Int) throws(PostgresError) -> [UInt8] {
    try rows.byteArray(index, column)
  }

  /// The bytes of a value as an array of their own; nil for NULL.
  package func optionalByteArray(_ column: Int) throws(PostgresError) -> [UInt8]? {
    try rows.optionalByteArray(index, column)
  }

  /// The elements of an integer array.
  package func int64Array(_ column: Int) throws(PostgresError) -> [Int64] {
    try rows.int64Array(index, column)
  }

  /// The elements of an integer array; nil for NULL.
  package func optionalInt64Array(_ column: Int) throws(PostgresError) -> [Int64]? {
    try rows.optionalInt64Array(index, column)
  }

  /// The elements of an array of text.
  package func stringArray(_ column: Int) throws(PostgresError) -> [String] {
    try rows.stringArray(index, column)
  }

  /// The elements of an array of text; nil for NULL.
  package func optionalStringArray(_ column: Int) throws(PostgresError) -> [String]? {
    try rows.optionalStringArray(index, column)
  }
}
