/// Waits until `condition` holds: the one place where a test may wait for time to pass.
///
/// The limit is generous, since it is only ever reached by a failure.
///
/// - Throws: `TestSupportError.timedOut` with `what`, or what `condition` throws.
package func eventually(
  within limit: Duration = .seconds(90),
  _ what: String = "a condition",
  _ condition: () async throws -> Bool
) async throws {
  _ = try await eventuallyFind(within: limit, what) { try await condition() ? true : nil }
}

/// Waits until `find` returns a value, and returns it.
///
/// - Throws: `TestSupportError.timedOut` with `what`, or what `find` throws.
package func eventuallyFind<Value>(
  within limit: Duration = .seconds(90),
  _ what: String = "a value",
  _ find: () async throws -> Value?
) async throws -> Value {
  let deadline = ContinuousClock.now + limit
  while true {
    if let value = try await find() { return value }
    guard ContinuousClock.now < deadline else { throw TestSupportError.timedOut(what) }
    try await Task.sleep(for: .milliseconds(20))
  }
}
