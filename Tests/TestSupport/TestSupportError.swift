/// Why a helper of the tests could not do its work.
package enum TestSupportError: Error, CustomStringConvertible, Sendable {
  /// A program or a system call failed; the text says which, and shows what it printed.
  case failed(String)
  /// Something did not come about in time.
  case timedOut(String)

  /// The reason in words.
  package var description: String {
    switch self {
    case .failed(let reason): reason
    case .timedOut(let what): "timed out waiting for \(what)"
    }
  }
}
