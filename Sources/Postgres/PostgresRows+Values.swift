package import Bytes

// Whole values. Each exists twice: bare, where NULL is an error, and `optional…`.
extension PostgresRows {
  /// The value of a `bigint`, `integer`, `smallint`, `oid` or `xid8`; nil for NULL.
  package func optionalInt64(_ row: Int, _ column: Int) throws(PostgresError) -> Int64? {
    if try null(row, column, "integer") { return nil }
    let type = type(ofColumn: column)
    let bytes = bytes(row, column)
    switch (type, bytes.count) {
    case (.int8, 8), (.xid8, 8): return Int64(bitPattern: BigEndian.read(bytes, 0, 8))
    case (.int4, 4): return Int64(Int32(truncatingIfNeeded: BigEndian.read(bytes, 0, 4)))
    case (.oid, 4): return Int64(BigEndian.read(bytes, 0, 4))
    case (.int2, 2): return Int64(Int16(truncatingIfNeeded: BigEndian.read(bytes, 0, 2)))
    default: throw mismatch(column, "integer")
    }
  }

  /// The value of a `bigint`, `integer`, `smallint`, `oid` or `xid8`.
  package func int64(_ row: Int, _ column: Int) throws(PostgresError) -> Int64 {
    try required(optionalInt64(row, column), column, "integer")
  }

  /// An integer that fits `Int`.
  package func int(_ row: Int, _ column: Int) throws(PostgresError) -> Int {
    Int(try int64(row, column))
  }

  /// An integer that fits 32 bits; nil for NULL.
  package func optionalInt32(_ row: Int, _ column: Int) throws(PostgresError) -> Int32? {
    guard let wide = try optionalInt64(row, column) else { return nil }
    return try required(Int32(exactly: wide), column, "integer of 32 bits")
  }

  /// An integer that fits 32 bits.
  package func int32(_ row: Int, _ column: Int) throws(PostgresError) -> Int32 {
    try required(optionalInt32(row, column), column, "integer of 32 bits")
  }

  /// An integer that fits 16 bits; nil for NULL.
  package func optionalInt16(_ row: Int, _ column: Int) throws(PostgresError) -> Int16? {
    guard let wide = try optionalInt64(row, column) else { return nil }
    return try required(Int16(exactly: wide), column, "integer of 16 bits")
  }

  /// An integer that fits 16 bits.
  package func int16(_ row: Int, _ column: Int) throws(PostgresError) -> Int16 {
    try required(optionalInt16(row, column), column, "integer of 16 bits")
  }

  /// A boolean; nil for NULL.
  package func optionalBool(_ row: Int, _ column: Int) throws(PostgresError) -> Bool? {
    if try null(row, column, "boolean") { return nil }
    let bytes = bytes(row, column)
    guard type(ofColumn: column) == .bool, bytes.count == 1 else {
      throw mismatch(column, "boolean")
    }
    return bytes[0] != 0
  }

  /// A boolean.
  package func bool(_ row: Int, _ column: Int) throws(PostgresError) -> Bool {
    try required(optionalBool(row, column), column, "boolean")
  }

  /// A `double precision` or `real`; nil for NULL.
  package func optionalDouble(_ row: Int, _ column: Int) throws(PostgresError) -> Double? {
    if try null(row, column, "double precision") { return nil }
    let bytes = bytes(row, column)
    switch (type(ofColumn: column), bytes.count) {
    case (.float8, 8): return Double(bitPattern: BigEndian.read(bytes, 0, 8))
    case (.float4, 4):
      return Double(Float(bitPattern: UInt32(truncatingIfNeeded: BigEndian.read(bytes, 0, 4))))
    default: throw mismatch(column, "double precision")
    }
  }

  /// A `double precision` or `real`.
  package func double(_ row: Int, _ column: Int) throws(PostgresError) -> Double {
    try required(optionalDouble(row, column), column, "double precision")
  }

  /// An instant; nil for NULL.
  package func optionalTimestamp(_ row: Int, _ column: Int) throws(PostgresError) -> Timestamp? {
    if try null(row, column, "timestamp") { return nil }
    let bytes = bytes(row, column)
    let type = type(ofColumn: column)
    guard type == .timestamptz || type == .timestamp, bytes.count == 8 else {
      throw mismatch(column, "timestamp")
    }
    return Timestamp(postgres: BigEndian.read(bytes, 0, 8))
  }

  /// An instant.
  package func timestamp(_ row: Int, _ column: Int) throws(PostgresError) -> Timestamp {
    try required(optionalTimestamp(row, column), column, "timestamp")
  }

  /// Text, of any type whose binary form is text, enums and JSON included; nil for NULL.
  package func optionalString(_ row: Int, _ column: Int) throws(PostgresError) -> String? {
    if try null(row, column, "text") { return nil }
    let type = type(ofColumn: column)
    guard type.isTextual || type == .jsonb else { throw mismatch(column, "text") }
    let bytes = bytes(row, column)
    return unsafe bytes.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
  }

  /// Text, of any type whose binary form is text, enums and JSON included.
  package func string(_ row: Int, _ column: Int) throws(PostgresError) -> String {
    try required(optionalString(row, column), column, "text")
  }

  /// The bytes of a value of any type as an array of their own; nil for NULL.
  package func optionalByteArray(_ row: Int, _ column: Int) throws(PostgresError) -> [UInt8]? {
    if try null(row, column, "bytes") { return nil }
    return bytes(row, column).array
  }

  /// The bytes of a value of any type as an array of their own.
  package func byteArray(_ row: Int, _ column: Int) throws(PostgresError) -> [UInt8] {
    try required(optionalByteArray(row, column), column, "bytes")
  }

  /// Whether the value is NULL; throws where there is no such row or column.
  func null(_ row: Int, _ column: Int, _ expected: String) throws(PostgresError) -> Bool {
    guard row >= 0, row < count, column >= 0, column < columnCount else {
      throw mismatch(column, expected)
    }
    return isNull(row, column)
  }

  func required<T>(_ value: T?, _ column: Int, _ expected: String) throws(PostgresError) -> T {
    guard let value else { throw mismatch(column, expected) }
    return value
  }
}

extension Timestamp {
  /// The instant that PostgreSQL's own count stands for; its infinities stay the largest values.
  init(postgres bits: UInt64) {
    let value = Int64(bitPattern: bits)
    let (sum, overflowed) = value.addingReportingOverflow(Self.epochOffset)
    self.init(microseconds: overflowed ? Int64.max : value == .min ? .min : sum)
  }
}

/// Reads big-endian integers out of borrowed bytes.
enum BigEndian {
  /// The `count` bytes at `offset` as one unsigned number.
  static func read(_ bytes: Span<UInt8>, _ offset: Int, _ count: Int) -> UInt64 {
    var value: UInt64 = 0
    for index in offset..<(offset + count) { value = value << 8 | UInt64(bytes[index]) }
    return value
  }
}
