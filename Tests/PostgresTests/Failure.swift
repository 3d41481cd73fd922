import Postgres

/// The error that `body` throws; nil where it returns.
func failure<R>(_ body: () async throws -> R) async -> (any Error)? {
  do {
    _ = try await body()
    return nil
  } catch {
    return error
  }
}

/// The code of the server's error that `body` throws; nil for any other outcome.
func sqlState<R>(_ body: () async throws -> R) async -> String? {
  guard let error = await failure(body) as? PostgresError,
    case .server(let state, _, _) = error
  else { return nil }
  return state
}
