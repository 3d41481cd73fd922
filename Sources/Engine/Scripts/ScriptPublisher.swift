import Bytes
import MailProtocols
import MailTransport
package import Model
import Net
package import Rules
import Store

/// Puts the rules of accounts, as one script each, to their ManageSieve servers, and takes them back.
///
/// Who runs the rules of an account is one decision, which is stored: its server or the service. It changes in this order, so that
/// no message meets the rules twice whatever fails in between:
///
///     to the server                               to the service
///     1. the script is put there, not active      1. the script is made inactive
///     2. the inbox's next UID is asked for        2. the inbox's next UID is asked for
///     3. from it on the service runs no rules     3. from it on the service runs the rules
///     4. the script is made active                4. the script is deleted
///
/// What arrives between steps 2 and 4, and 1 and 2, meets no rules: milliseconds.
struct ScriptPublisher {
  /// What the script is called at a server.
  static let scriptName = "restante"

  let services: EngineServices

  private var store: Store { services.store }

  // MARK: - Looking

  /// Asks a server what scripts may require where that is not known, and has it run the rules as they are where it runs
  /// them; that no other client has had another script run since is asked each time.
  func look(at record: ScriptServerRecord) async throws {
    try await services.publishing[record.account].withLock {
      var known = try await services.accountRules(record.account)
      guard known.account.sieve != nil,
        let record = try await store.scriptServer(of: record.account)
      else { return }
      guard record.runsRules || known.account.sieveExtensions == nil else { return }
      try await connected(&known) { client, known in
        guard record.runsRules else { return }
        let text = RuleScript(known.rules, for: known.target).text
        if let text, RuleScript.checksum(of: text) == record.checksum,
          try await client.listScripts().contains(where: Self.isRunning)
        {
          return
        }
        // Where the answer to the last attempt was lost, what it was told still holds.
        try await publish(known, by: client, replaces: record.replaces)
      }
    }
  }

  /// Connects to an account's server, notes what scripts may require there, and does `body`.
  private func connected(
    _ known: inout AccountRules,
    _ body: (ManageSieveClient, AccountRules) async throws -> Void
  ) async throws {
    let secret = try await store.sieveSecret(of: known.account)
    let client = try await services.backends.sieve(known.account, secret: secret)
    defer { client.close() }
    known.account.sieveExtensions = client.capabilities.extensions
    try await store.setSieveExtensions(client.capabilities.extensions, of: known.account.id)
    do {
      try await body(client, known)
    } catch let error as ManageSieveError {
      throw ServiceError(error, host: known.account.sieve?.server.host ?? "")
    }
    await client.logout()
  }

  // MARK: - Publishing

  /// Has the account's server run its rules, from now on.
  ///
  /// With `replaces` a script that this service did not write gives way.
  func publish(_ account: ID<Account>, replaces: Bool) async throws {
    try await services.publishing[account].withLock {
      var known = try await services.accountRules(account)
      try await store.setReplacing(replaces, of: account)
      try await connected(&known) { client, known in
        try await publish(known, by: client, replaces: replaces)
      }
    }
  }

  private func publish(
    _ known: AccountRules,
    by client: ManageSieveClient,
    replaces: Bool
  ) async throws {
    let account = known.account.id
    let text = try known.scriptText()
    guard let record = try await store.scriptServer(of: account) else { return }
    let scripts = try await client.listScripts()
    if !replaces { try await requireOurs(scripts, client) }
    var isActive = scripts.contains(where: Self.isRunning)
    if isActive, !record.runsRules {
      // Until it is decided from which message on the server runs them, the service does.
      try await client.setActive(nil)
      isActive = false
    }
    try await client.putScript(Self.scriptName, Array(text.utf8))
    if !record.runsRules {
      try await store.switchRules(of: account, toServer: true, from: try await boundary(known))
    }
    if !isActive {
      do throws(ManageSieveError) {
        try await client.setActive(Self.scriptName)
      } catch {
        // What was refused has not happened; of all else nobody knows, and the worker asks again.
        if case .refused = error, !record.runsRules {
          try await store.switchRules(of: account, toServer: false, from: nil)
        }
        throw error
      }
    }
    try await store.setPublished(
      RuleScript.checksum(of: text),
      of: account,
      at: services.now()
    )
  }

  /// Throws where another's script would be overwritten, or no longer be active.
  private func requireOurs(_ scripts: [ListedScript], _ client: ManageSieveClient) async throws {
    if let active = scripts.first(where: \.isActive), active.name != Self.scriptName {
      throw ServiceError(
        .conflict,
        "The script \"\(active.name)\" is active at the server. It gives way only where replace is true."
      )
    }
    guard scripts.contains(where: { $0.name == Self.scriptName }) else { return }
    guard isOurs(try await client.script(Self.scriptName)) else {
      throw ServiceError(
        .conflict,
        "The script \"\(Self.scriptName)\" at the server was not written, or was changed since, by others. It is overwritten only where replace is true."
      )
    }
  }

  private static func isRunning(_ script: ListedScript) -> Bool {
    script.isActive && script.name == scriptName
  }

  private func isOurs(_ script: [UInt8]) -> Bool {
    if case .ours = ScriptReader.read(script) { true } else { false }
  }

  // MARK: - Taking back

  /// Has the service run the account's rules again, from now on; another's script is left as it is.
  ///
  /// With `isForced` a server that cannot be asked is left with whatever it has: it may be gone for good.
  func withdraw(_ account: ID<Account>, isForced: Bool) async throws {
    try await services.publishing[account].withLock {
      guard let record = try await store.scriptServer(of: account), record.runsRules else {
        throw ServiceError(.conflict, "The service runs the rules of the account already.")
      }
      var known = try await services.accountRules(account)
      do {
        try await withdraw(&known)
      } catch let error as ServiceError {
        guard isForced, try await store.scriptServer(of: account)?.runsRules == true else {
          throw error
        }
        let boundary = try await boundary(known)
        try await store.switchRules(of: account, toServer: false, from: boundary)
      }
    }
  }

  private func withdraw(_ known: inout AccountRules) async throws {
    try await connected(&known) { client, known in
      let name = Self.scriptName
      let account = known.account.id
      let scripts = try await client.listScripts()
      var isOurs = false
      if scripts.contains(where: { $0.name == name }) {
        isOurs = self.isOurs(try await client.script(name))
      }
      if isOurs, scripts.contains(where: Self.isRunning) {
        // Where this ends here, no rule runs until the server is looked at again, which puts it back.
        try await store.forgetPublished(of: account)
        try await client.setActive(nil)
      }
      try await store.switchRules(of: account, toServer: false, from: try await boundary(known))
      if isOurs { try await client.deleteScript(name) }
    }
  }

  // MARK: - The inbox

  /// Where the inbox stands at this moment.
  private func boundary(_ known: AccountRules) async throws -> RuleBoundary {
    let account = known.account
    let client = try await services.backends.imap(
      account.incoming,
      for: account.id,
      .bodies,
      by: .after(services.configuration.connectTimeout)
    ) { [store] () throws(ServiceError) in try await store.secrets(of: account.id).incoming }
    defer { client.close() }
    do throws(IMAPError) {
      let status = try await client.status(.inbox, [.uidNext, .uidValidity])
      guard let next = status.uidNext, let validity = status.uidValidity else {
        throw .unsupported("STATUS with UIDNEXT")
      }
      return RuleBoundary(
        uidValidity: Int64(validity.value),
        firstUID: Int64(next.value)
      )
    } catch {
      throw ServiceError(error, host: account.incoming.host)
    }
  }
}

extension AccountRules {
  /// The rules as a script for the account's server; throws which clauses it cannot carry out.
  package func scriptText(for other: ScriptTarget? = nil) throws(ServiceError) -> String {
    let script = RuleScript(rules, for: other ?? target)
    if let text = script.text { return text }
    throw ServiceError(
      .conflict,
      "No script does all that the rules do: see placement and warnings of each rule.",
      fields: zip(records, script.placements).flatMap { record, placements in
        placements.filter { $0.side != .sieve }.map {
          FieldError(
            pointer: "/\(record.id)\($0.pointer)",
            code: "unsupported",
            detail: $0.reason ?? ""
          )
        }
      }
    )
  }
}
