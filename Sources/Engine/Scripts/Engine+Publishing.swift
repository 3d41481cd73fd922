package import Bytes
package import Model
import Rules
import Store

/// Who runs the rules of an account, and how that stands.
package struct RulePublication: Sendable {
  /// The name of the script at the server; nil where the service runs the rules.
  package var script: String?
  /// Whether the server has the rules as they are.
  package var isCurrent: Bool
  package var publishedAt: Timestamp?
  package var lastError: AccountFailure?
}

extension Engine {
  /// Who runs the rules of an account.
  package func publication(
    of account: ID<Account>
  ) async throws(ServiceError) -> RulePublication {
    let known = try await accountRules(account)
    guard let record = try await store.scriptServer(of: account) else {
      return RulePublication(script: nil, isCurrent: true, publishedAt: nil, lastError: nil)
    }
    var isCurrent = true
    if record.runsRules {
      let text = RuleScript(known.rules, for: known.target).text
      isCurrent = text.map { RuleScript.checksum(of: $0) == record.checksum } ?? false
    }
    return RulePublication(
      script: record.runsRules ? ScriptPublisher.scriptName : nil,
      isCurrent: isCurrent,
      publishedAt: record.publishedAt,
      lastError: record.lastError
    )
  }

  /// Has the account's server run its rules as a script; one that this service did not write gives way only with `replaces`.
  package func publishRules(
    of account: ID<Account>,
    replaces: Bool
  ) async throws(ServiceError) -> RulePublication {
    let publisher = ScriptPublisher(services: services)
    // Where the answer of the server is lost, the worker finds out.
    defer { store.scriptServers.tell() }
    try await serviceErrors(account) { try await publisher.publish(account, replaces: replaces) }
    return try await publication(of: account)
  }

  /// Has the service run the account's rules again; with `isForced` also where the script server does not answer.
  package func withdrawRules(
    of account: ID<Account>,
    isForced: Bool = false
  ) async throws(ServiceError) -> RulePublication {
    let publisher = ScriptPublisher(services: services)
    try await serviceErrors(account) { try await publisher.withdraw(account, isForced: isForced) }
    return try await publication(of: account)
  }
}
