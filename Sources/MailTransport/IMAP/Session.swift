package import MailProtocols
package import Net

extension IMAPClient {
  /// Tells the server who we are and returns what it says of itself (RFC 2971).
  @discardableResult
  package func id(
    _ fields: [(name: String, value: String)],
    deadline: Deadline? = nil
  ) async throws(IMAPError) -> [String: String] {
    guard capabilities.contains(.id) else { return [:] }
    var found: [String: String] = [:]
    try await perform(.id(fields), deadline: deadline) { response in
      guard case .id(let fields) = response else { return false }
      found = fields
      return true
    }
    return found
  }

  /// Turns on those of `wanted` that the server lists, and returns what it turned on (RFC 5161).
  @discardableResult
  package func enable(
    _ wanted: [IMAPCapability],
    deadline: Deadline? = nil
  ) async throws(IMAPError) -> Set<IMAPCapability> {
    let known = wanted.filter { capabilities.contains($0) }
    guard capabilities.contains(.enable), !known.isEmpty else { return [] }
    var enabled: Set<IMAPCapability> = []
    try await perform(.enable(known), deadline: deadline) { response in
      guard case .enabled(let names) = response else { return false }
      enabled.formUnion(names)
      return true
    }
    return enabled
  }

  /// Keeps the connection alive, and lets the server tell what happened.
  package func noop(deadline: Deadline? = nil) async throws(IMAPError) {
    try await perform(.noop, deadline: deadline)
  }

  /// Says good-bye and closes the connection.
  package func logout(deadline: Deadline? = nil) async throws(IMAPError) {
    isLoggingOut = true
    try await perform(.logout, deadline: deadline)
    close()
  }
}
