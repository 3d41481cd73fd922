import CPostgres

/// The result of one statement: rows in binary form, read in place.
///
/// Rows and columns count from zero. A column is checked against the type asked for and throws
/// `PostgresError.decoding` where they differ, where the value is NULL and the accessor not optional,
/// or where there is no such row or column.
@safe
package final class PostgresRows: @unchecked Sendable {  // A PGresult never changes once complete.
  let result: OpaquePointer

  /// How many rows there are.
  package let count: Int

  /// Takes over `result`, which `deinit` frees.
  init(owning result: OpaquePointer) {
    unsafe self.result = unsafe result
    count = unsafe Int(PQntuples(result))
  }

  deinit { unsafe PQclear(result) }

  /// How many columns a row has.
  package var columnCount: Int { unsafe Int(PQnfields(result)) }

  /// Whether there is no row.
  package var isEmpty: Bool { count == 0 }

  /// How many rows an INSERT, UPDATE, DELETE, MERGE or COPY changed, or a SELECT returned.
  package var affected: Int {
    guard let text = unsafe PQcmdTuples(result) else { return 0 }
    return unsafe Int(String(cString: text)) ?? 0
  }

  /// The number of the column with this name; nil where there is none.
  package func column(named name: String) -> Int? {
    let number = unsafe PQfnumber(result, name)
    return number < 0 ? nil : Int(number)
  }

  /// The name of a column; empty where there is no such column.
  package func name(ofColumn column: Int) -> String {
    guard let index = Int32(exactly: column), let name = unsafe PQfname(result, index) else {
      return ""
    }
    return unsafe String(cString: name)
  }

  /// The type of a column.
  package func type(ofColumn column: Int) -> PostgresType {
    guard let index = Int32(exactly: column) else { return .unknown }
    return PostgresType(rawValue: unsafe PQftype(result, index))
  }

  private func contains(_ row: Int, _ column: Int) -> Bool {
    row >= 0 && row < count && column >= 0 && column < columnCount
  }

  /// Whether the value is NULL; also true where there is no such row or column.
  package func isNull(_ row: Int, _ column: Int) -> Bool {
    guard contains(row, column) else { return true }
    return unsafe PQgetisnull(result, Int32(row), Int32(column)) != 0
  }

  /// The value in binary form, borrowed from the result; empty for NULL and where there is none.
  ///
  /// Of `jsonb` this is the text of the document.
  @_lifetime(borrow self)
  package func bytes(_ row: Int, _ column: Int) -> Span<UInt8> {
    guard contains(row, column),
      let start = unsafe PQgetvalue(result, Int32(row), Int32(column))
    else { return Span() }
    let length = unsafe Int(PQgetlength(result, Int32(row), Int32(column)))
    let skipped = length > 0 && type(ofColumn: column) == .jsonb ? 1 : 0
    let buffer = unsafe UnsafeRawBufferPointer(
      start: UnsafeRawPointer(start) + skipped,
      count: length - skipped
    )
    let span = unsafe buffer.bindMemory(to: UInt8.self).span
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  /// The error for a value that is not what was asked for.
  func mismatch(_ column: Int, _ expected: String) -> PostgresError {
    let name = name(ofColumn: column)
    return .decoding(column: name.isEmpty ? "#\(column)" : name, expected: expected)
  }
}

extension PostgresRows: RandomAccessCollection {
  /// The number of the first row.
  package var startIndex: Int { 0 }
  /// One past the number of the last row.
  package var endIndex: Int { count }
  /// The row with this number.
  package subscript(index: Int) -> PostgresRow { PostgresRow(rows: self, index: index) }
  /// The first row; nil where there is none.
  package var first: PostgresRow? { count > 0 ? self[0] : nil }
}
