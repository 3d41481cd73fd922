import Net

/// Brings the schema up to date, one numbered step after the other.
///
/// A lock of the whole database lets only one node migrate at a time. Each step runs in a transaction
/// together with its row in `schema_migration`, so a step is applied wholly or not at all.
package struct Migrator: Sendable {
  /// How long to wait for another node that migrates, and for a step to run.
  package var timeout: Duration = .seconds(600)

  /// The key of the lock: "restante" as eight bytes.
  private static let lockKey: Int64 = 0x7265_7374_616E_7465

  /// A migrator with the default timeout.
  package init() {}

  /// Applies the steps that the database lacks and returns their numbers.
  ///
  /// Throws `MigrationError` if the database is newer than `migrations`, or a step has changed since
  /// it was applied.
  package func run(_ migrations: [Migration], on pool: PostgresPool) async throws -> [Int] {
    for (index, migration) in migrations.enumerated() where migration.number != index + 1 {
      throw MigrationError.misnumbered(position: index + 1, number: migration.number)
    }
    return try await pool.withConnection { connection in
      _ = try await connection.query(
        "select pg_advisory_lock(\(Self.lockKey))",
        deadline: deadline
      )
      do {
        let applied = try await apply(migrations, on: connection)
        _ = try await connection.query("select pg_advisory_unlock(\(Self.lockKey))")
        return applied
      } catch {
        connection.close()  // Which gives the lock back, whatever state the session is in.
        throw error
      }
    }
  }

  private var deadline: Deadline { ContinuousClock.now + timeout }

  private func apply(
    _ migrations: [Migration],
    on connection: PostgresConnection
  ) async throws -> [Int] {
    _ = try await connection.query(
      """
      create table if not exists schema_migration (
        number integer primary key,
        name text not null,
        applied_at timestamptz not null default now(),
        checksum text not null)
      """
    )
    let rows = try await connection.query(
      "select number, name, checksum from schema_migration order by number"
    )
    try check(rows, against: migrations)
    var applied: [Int] = []
    for migration in migrations.dropFirst(rows.count) {
      try await apply(migration, on: connection)
      applied.append(migration.number)
    }
    return applied
  }

  private func check(_ rows: PostgresRows, against migrations: [Migration]) throws {
    if rows.count > migrations.count {
      throw MigrationError.databaseIsNewer(applied: rows.count, known: migrations.count)
    }
    for (row, migration) in zip(rows, migrations) {
      let isSame =
        try row.int(0) == migration.number && row.string(1) == migration.name
        && row.string(2) == migration.checksum
      guard isSame else {
        throw MigrationError.changed(number: migration.number, name: migration.name)
      }
    }
  }

  private func apply(_ migration: Migration, on connection: PostgresConnection) async throws {
    do {
      try await connection.transaction { connection in
        try await connection.execute(script: migration.sql, deadline: deadline)
        _ = try await connection.query(
          """
          insert into schema_migration (number, name, checksum)
          values (\(Int32(clamping: migration.number)), \(migration.name), \(migration.checksum))
          """
        )
      }
    } catch let error as PostgresError {
      throw MigrationError.failed(number: migration.number, name: migration.name, error)
    }
  }
}
