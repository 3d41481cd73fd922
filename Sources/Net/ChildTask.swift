/// Runs `body` in a child task and waits for it, so that the memory of its frames goes when it ends.
///
/// A task keeps the memory of the deepest call that it ever made until the task ends: some 40 KB after a
/// login and a sync. So a task that lives long and mostly waits makes its deep calls by this. The child
/// runs where its parent does, and is cancelled with it. It is the child of a group, since the frames of
/// an `async let` stand in its parent's memory.
package func inChildTask<R, E: Error>(
  _ body: @escaping () async throws(E) -> R
) async throws(E) -> R {
  let call = OneCall(body)
  let handed = await withTaskGroup(of: Handed<Result<R, E>>.self) { group in
    group.addTask { await call.result() }
    for await result in group { return result }
    preconditionFailure("a child that was added is not there")
  }
  return try handed.value.get()
}

/// A closure that crosses into a child task while its maker waits, and so is never run beside it.
private struct OneCall<R, E: Error>: @unchecked Sendable {  // Used by one task at a time.
  let body: () async throws(E) -> R

  init(_ body: @escaping () async throws(E) -> R) { self.body = body }

  func result() async -> Handed<Result<R, E>> {
    do throws(E) {
      return Handed(value: .success(try await body()))
    } catch {
      return Handed(value: .failure(error))
    }
  }
}

/// A value that a child task leaves to its parent.
private struct Handed<Value>: @unchecked Sendable {  // The child has ended when it is looked at.
  let value: Value
}
