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
        name: "events",
        sql: String(decoding: PackageResources._003_events_sql, as: UTF8.self)
      ),
      Migration(
        number: 4,
        name: "search",
        sql: String(decoding: PackageResources._004_search_sql, as: UTF8.self)
      ),
      Migration(
        number: 5,
        name: "threads",
        sql: String(decoding: PackageResources._005_threads_sql, as: UTF8.self)
      ),
      Migration(
        number: 6,
        name: "tombstones",
        sql: String(decoding: PackageResources._006_tombstones_sql, as: UTF8.self)
      ),
      Migration(
        number: 7,
        name: "leaves",
        sql: String(decoding: PackageResources._007_leaves_sql, as: UTF8.self)
      ),
      Migration(
        number: 8,
        name: "words",
        sql: String(decoding: PackageResources._008_words_sql, as: UTF8.self)
      ),
      Migration(
        number: 9,
        name: "objects",
        sql: String(decoding: PackageResources._009_objects_sql, as: UTF8.self)
      ),
      Migration(
        number: 10,
        name: "copies",
        sql: String(decoding: PackageResources._010_copies_sql, as: UTF8.self)
      ),
      Migration(
        number: 11,
        name: "unsure",
        sql: String(decoding: PackageResources._011_unsure_sql, as: UTF8.self)
      ),
      Migration(
        number: 12,
        name: "local",
        sql: String(decoding: PackageResources._012_local_sql, as: UTF8.self)
      ),
      Migration(
        number: 13,
        name: "addresses",
        sql: String(decoding: PackageResources._013_addresses_sql, as: UTF8.self)
      ),
      Migration(
        number: 14,
        name: "speed",
        sql: String(decoding: PackageResources._014_speed_sql, as: UTF8.self)
      ),
      Migration(
        number: 15,
        name: "uidl",
        sql: String(decoding: PackageResources._015_uidl_sql, as: UTF8.self)
      ),
      Migration(
        number: 16,
        name: "imports",
        sql: String(decoding: PackageResources._016_imports_sql, as: UTF8.self)
      ),
      Migration(
        number: 17,
        name: "rules",
        sql: String(decoding: PackageResources._017_rules_sql, as: UTF8.self)
      ),
      Migration(
        number: 18,
        name: "modes",
        sql: String(decoding: PackageResources._018_modes_sql, as: UTF8.self)
      ),
      Migration(
        number: 19,
        name: "refusals",
        sql: String(decoding: PackageResources._019_refusals_sql, as: UTF8.self)
      ),
      Migration(
        number: 20,
        name: "sieve",
        sql: String(decoding: PackageResources._020_sieve_sql, as: UTF8.self)
      ),
      Migration(
        number: 21,
        name: "scripts",
        sql: String(decoding: PackageResources._021_scripts_sql, as: UTF8.self)
      ),
      Migration(
        number: 22,
        name: "triggers",
        sql: String(decoding: PackageResources._022_triggers_sql, as: UTF8.self)
      ),
      Migration(
        number: 23,
        name: "replacements",
        sql: String(decoding: PackageResources._023_replacements_sql, as: UTF8.self)
      ),
      Migration(
        number: 24,
        name: "replacing",
        sql: String(decoding: PackageResources._024_replacing_sql, as: UTF8.self)
      ),
      Migration(
        number: 25,
        name: "mailboxes",
        sql: String(decoding: PackageResources._025_mailboxes_sql, as: UTF8.self)
      ),
      Migration(
        number: 26,
        name: "blobs",
        sql: String(decoding: PackageResources._026_blobs_sql, as: UTF8.self)
      ),
      Migration(
        number: 27,
        name: "reports",
        sql: String(decoding: PackageResources._027_reports_sql, as: UTF8.self)
      ),
      Migration(
        number: 28,
        name: "leftovers",
        sql: String(decoding: PackageResources._028_leftovers_sql, as: UTF8.self)
      ),
      Migration(
        number: 29,
        name: "zstd",
        sql: String(decoding: PackageResources._029_zstd_sql, as: UTF8.self)
      ),
      Migration(
        number: 30,
        name: "stays",
        sql: String(decoding: PackageResources._030_stays_sql, as: UTF8.self)
      ),
      Migration(
        number: 31,
        name: "long_names",
        sql: String(decoding: PackageResources._031_long_names_sql, as: UTF8.self)
      ),
    ]
  }
}
