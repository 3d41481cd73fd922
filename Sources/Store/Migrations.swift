package import Postgres

/// The steps of the schema, in order; each is a file in `Migrations/`.
package enum Migrations {
  /// All steps.
  package static var all: [Migration] {
    [
      Migration(
        number: 1,
        name: "initial",
        sql: String(decoding: PackageResources._001_initial_sql, as: UTF8.self)
      ),
      Migration(
        number: 2,
        name: "queues",
        sql: String(decoding: PackageResources._002_queues_sql, as: UTF8.self)
      ),
      Migration(
        number: 3,
        name: "tombstones",
        sql: String(decoding: PackageResources._006_tombstones_sql, as: UTF8.self)
      ),
    ]
  }
}
