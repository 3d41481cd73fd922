import Postgres

/// Rows for one table, stored by COPY where they are many and by INSERT where they are few.
///
/// A COPY takes two round trips, whatever it holds. Of few rows, all statements of all tables go in one.
struct BulkRows {
  let table: String
  let columns: [(column: String, type: PostgresType)]
  private(set) var writer: CopyWriter
  private(set) var count = 0

  init(_ table: String, _ columns: [(column: String, type: PostgresType)], capacity: Int = 0) {
    self.table = table
    self.columns = columns
    writer = CopyWriter(capacity: capacity)
  }

  /// Adds a row, whose columns `body` writes in their order.
  mutating func add(_ body: (inout CopyWriter) -> Void) {
    count += 1
    writer.beginRow(columns: columns.count)
    body(&writer)
  }

  private var copy: String {
    """
    copy \(table) (\(columns.map(\.column).joined(separator: ", "))) from stdin (format binary)
    """
  }

  /// Stores the rows of `tables` in their order, and runs the statements after them; their results.
  static func store(
    _ tables: [BulkRows],
    then statements: [SQL] = [],
    on connection: PostgresConnection
  ) async throws -> [PostgresRows] {
    let tables = tables.filter { $0.count > 0 }
    guard tables.reduce(0, { $0 + $1.count }) > Store.fewRows else {
      let inserts = tables.flatMap { $0.writer.inserts(into: $0.table, types: $0.columns) }
      return Array(try await connection.pipeline(inserts + statements).dropFirst(inserts.count))
    }
    for table in tables { _ = try await connection.copyIn(table.copy, rows: table.writer) }
    return try await connection.pipeline(statements)
  }
}
