/// Why the service's own PostgreSQL does not run.
package enum EmbeddedClusterError: Error, Equatable, Sendable, CustomStringConvertible {
  /// PostgreSQL's server programs are not installed, or not in the version of the data.
  case programsMissing(wanted: String)
  /// The user that the server runs as may not enter a directory above its data.
  case notEnterable(directory: String, user: String)
  /// A directory that must be private belongs to somebody else, or is open to others.
  case notPrivate(directory: String)
  /// A step failed; `output` is the end of what the program printed.
  case failed(step: String, output: String)
  /// The server was not ready in time.
  case timedOut(step: String)

  /// What is wrong and what can be done about it.
  package var description: String {
    switch self {
    case .programsMissing(let wanted):
      "\(wanted) was not found in PATH or /usr/lib/postgresql: install PostgreSQL's server, or set"
        + " DATABASE_URL"
    case .notEnterable(let directory, let user):
      "the user \(user), as whom PostgreSQL runs, may not enter \(directory): choose another data"
        + " directory, or set DATABASE_URL"
    case .notPrivate(let directory):
      "\(directory) must belong to the user that PostgreSQL runs as, and be closed to others"
    case .failed(let step, let output): "\(step) failed: \(output)"
    case .timedOut(let step): "\(step) took too long"
    }
  }
}
