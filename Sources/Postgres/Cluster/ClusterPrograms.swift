import Glibc

/// Where PostgreSQL's server programs are.
struct ClusterPrograms: Sendable {
  let initdb: String
  let postgres: String

  /// The programs for data of a major version, or the newest ones for data that is still to be made.
  static func find(version: String?) throws(EmbeddedClusterError) -> ClusterPrograms {
    for directory in directories(version: version) {
      let programs = ClusterPrograms(
        initdb: "\(directory)/initdb",
        postgres: "\(directory)/postgres"
      )
      if unsafe access(programs.initdb, X_OK) == 0, unsafe access(programs.postgres, X_OK) == 0 {
        return programs
      }
    }
    throw .programsMissing(wanted: version.map { "PostgreSQL \($0)" } ?? "PostgreSQL")
  }

  /// Debian keeps each major version apart; elsewhere the programs stand in the PATH.
  private static func directories(version: String?) -> [String] {
    let root = "/usr/lib/postgresql"
    let path = unsafe getenv("PATH").map { unsafe String(cString: $0) } ?? ""
    let others = path.split(separator: ":").map(String.init) + ["/usr/local/pgsql/bin"]
    if let version { return ["\(root)/\(version)/bin"] + others }
    let installed = ClusterFiles.names(in: root).compactMap { Int($0) }.sorted(by: >)
    return others + installed.map { "\(root)/\($0)/bin" }
  }
}
