/// One numbered step of the schema.
package struct Migration: Sendable, Hashable {
  /// Counts from 1 without gaps.
  package let number: Int
  /// What the step is called, after its number, in its file's name.
  package let name: String
  /// One or more statements, run in one transaction.
  package let sql: String

  /// A step from its parts.
  package init(number: Int, name: String, sql: String) {
    self.number = number
    self.name = name
    self.sql = sql
  }

  /// Tells whether the text is still the one that was applied: FNV-1a of 64 bits and the length.
  ///
  /// It guards against mistakes, not against malice.
  var checksum: String {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in sql.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
    return "fnv1a64-\(String(hash, radix: 16))-\(sql.utf8.count)"
  }
}

/// Why a schema was not brought up to date.
package enum MigrationError: Error, Equatable, Sendable {
  /// The steps given are not numbered from 1 without gaps, in order.
  case misnumbered(position: Int, number: Int)
  /// The database was migrated by a later version of the program.
  case databaseIsNewer(applied: Int, known: Int)
  /// A step was applied with another text or name than it has now.
  case changed(number: Int, name: String)
  /// A step failed and was rolled back.
  case failed(number: Int, name: String, PostgresError)
}
