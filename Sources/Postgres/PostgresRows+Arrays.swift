// One-dimensional arrays. Their binary form is: dimensions, whether NULLs occur, element type, then
// length and lower bound of the dimension, then each element behind its length (-1 is NULL).
extension PostgresRows {
  /// The elements of an integer array; nil for NULL; a NULL in the array is an error.
  package func optionalInt64Array(_ row: Int, _ column: Int) throws(PostgresError) -> [Int64]? {
    try elements(row, column, "integer array") { type, bytes -> Int64? in
      switch (type, bytes.count) {
      case (.int8, 8): Int64(bitPattern: BigEndian.read(bytes, 0, 8))
      case (.int4, 4): Int64(Int32(truncatingIfNeeded: BigEndian.read(bytes, 0, 4)))
      case (.int2, 2): Int64(Int16(truncatingIfNeeded: BigEndian.read(bytes, 0, 2)))
      default: nil
      }
    }
  }

  /// The elements of an integer array; a NULL in the array is an error.
  package func int64Array(_ row: Int, _ column: Int) throws(PostgresError) -> [Int64] {
    try required(optionalInt64Array(row, column), column, "integer array")
  }

  /// The elements of an array of text; nil for NULL; a NULL in the array is an error.
  package func optionalStringArray(_ row: Int, _ column: Int) throws(PostgresError) -> [String]? {
    try elements(row, column, "text array") { type, bytes -> String? in
      guard type.isTextual else { return nil }
      return unsafe bytes.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }
  }

  /// The elements of an array of text; a NULL in the array is an error.
  package func stringArray(_ row: Int, _ column: Int) throws(PostgresError) -> [String] {
    try required(optionalStringArray(row, column), column, "text array")
  }

  /// Calls `body` with each element of a text array, borrowed; does nothing for NULL.
  ///
  /// Elements that are NULL are passed over.
  package func forEachElement(
    _ row: Int,
    _ column: Int,
    _ body: (Span<UInt8>) -> Void
  ) throws(PostgresError) {
    if try null(row, column, "array") { return }
    try walk(row, column, "array") { _, element throws(PostgresError) in
      if let range = element { body(bytes(row, column).extracting(range)) }
    }
  }

  private func elements<T>(
    _ row: Int,
    _ column: Int,
    _ expected: String,
    _ decode: (PostgresType, Span<UInt8>) -> T?
  ) throws(PostgresError) -> [T]? {
    if try null(row, column, expected) { return nil }
    var output: [T] = []
    try walk(row, column, expected) { type, element throws(PostgresError) in
      guard let range = element,
        let value = decode(type, bytes(row, column).extracting(range))
      else { throw mismatch(column, expected) }
      output.append(value)
    }
    return output
  }

  /// Calls `body` with the type and the place of each element, nil for NULL.
  private func walk(
    _ row: Int,
    _ column: Int,
    _ expected: String,
    _ body: (PostgresType, Range<Int>?) throws(PostgresError) -> Void
  ) throws(PostgresError) {
    let bytes = bytes(row, column)
    guard bytes.count >= 12 else { throw mismatch(column, expected) }
    let dimensions = BigEndian.read(bytes, 0, 4)
    let type = PostgresType(rawValue: UInt32(truncatingIfNeeded: BigEndian.read(bytes, 8, 4)))
    if dimensions == 0 { return }
    guard dimensions == 1, bytes.count >= 20 else { throw mismatch(column, expected) }
    let count = Int(BigEndian.read(bytes, 12, 4))
    var position = 20
    for _ in 0..<count {
      guard bytes.count - position >= 4 else { throw mismatch(column, expected) }
      let length = Int(Int32(truncatingIfNeeded: BigEndian.read(bytes, position, 4)))
      position += 4
      if length < 0 {
        try body(type, nil)
        continue
      }
      guard bytes.count - position >= length else { throw mismatch(column, expected) }
      try body(type, position..<(position + length))
      position += length
    }
  }
}
