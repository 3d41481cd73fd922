import MailProtocols
import MailTransport
import Model
import Store

/// The scripts at the ManageSieve server of an account, over one connection.
///
/// The server has names where the API has ids: which name has which id is stored, and set right by each list.
struct ServerScripts {
  let account: Account
  let client: ManageSieveClient
  let store: Store

  func list() async throws -> [ScriptRecord] {
    let listed = try await client.listScripts()
    return try await store.reconcileScripts(
      listed.map { ServerScript(name: $0.name, isActive: $0.isActive) },
      of: account.id
    )
  }

  /// One script with its contents.
  func script(_ id: ID<SieveScript>) async throws -> ScriptRecord {
    var script = try await known(id)
    script.content = try await client.script(script.name)
    return script
  }

  func create(
    _ name: String,
    _ content: [UInt8],
    activates: Bool,
    claim: IdempotencyClaim?
  ) async throws -> ScriptRecord {
    // PUTSCRIPT would overwrite it.
    guard try await !client.listScripts().contains(where: { $0.name == name }) else {
      throw ServiceError(.conflict, "There is a script of this name.")
    }
    if activates { try await requireNoRules() }
    try await store.settle(claim)
    try await put(name, content)
    if activates { try await client.setActive(name) }
    return try await show(name, content)
  }

  func update(
    _ id: ID<SieveScript>,
    name: String?,
    content: [UInt8]?
  ) async throws -> ScriptRecord {
    let script = try await known(id)
    try await requireNotOurs(script)
    if let content { try await put(script.name, content) }
    if let name, name != script.name {
      try await client.renameScript(script.name, to: name)
      try await store.renameServerScript(id, of: account.id, to: name)
    }
    return try await self.script(id)
  }

  func activate(_ id: ID<SieveScript>?) async throws {
    try await requireNoRules()
    guard let id else { return try await client.setActive(nil) }
    try await client.setActive(try await known(id).name)
  }

  func delete(_ id: ID<SieveScript>) async throws {
    let script = try await known(id)
    try await requireNotOurs(script)
    try await client.deleteScript(script.name)
    _ = try await list()
  }

  func validate(_ content: [UInt8]) async throws -> ScriptValidation {
    do throws(ManageSieveError) {
      return ScriptValidation(warning: try await client.checkScript(content))
    } catch .refused(let command, let answer) {
      guard answer.code == nil else { throw ManageSieveError.refused(command: command, answer) }
      return ScriptValidation(refusal: answer.text)
    }
  }

  private func known(_ id: ID<SieveScript>) async throws -> ScriptRecord {
    guard let script = try await list().first(where: { $0.id == id }) else {
      throw ServiceError.notFound("script")
    }
    return script
  }

  private func show(_ name: String, _ content: [UInt8]) async throws -> ScriptRecord {
    guard var script = try await list().first(where: { $0.name == name }) else {
      throw ServiceError.notFound("script")
    }
    script.content = content
    return script
  }

  /// Stores a script; what the server finds wrong with it is the caller's to mend.
  private func put(_ name: String, _ content: [UInt8]) async throws {
    do throws(ManageSieveError) {
      try await client.putScript(name, content)
    } catch .refused(let command, let answer) {
      if answer.code?.isKind(of: "QUOTA") == true {
        throw ServiceError(.overQuota, "The server has no room for the script: \(answer.text)")
      }
      guard answer.code == nil else { throw ManageSieveError.refused(command: command, answer) }
      throw ServiceError(
        .unprocessable,
        "The script is wrong. \(answer.text)",
        fields: [FieldError(pointer: "/content", code: "format", detail: answer.text)]
      )
    }
  }

  /// The server runs the rules by a script, which only `rules:withdraw` ends.
  private func requireNoRules() async throws {
    guard try await store.scriptServer(of: account.id)?.runsRules == true else { return }
    throw ServiceError(
      .conflict,
      "The account's rules are the active script; have the service run them first (rules:withdraw)."
    )
  }

  private func requireNotOurs(_ script: ScriptRecord) async throws {
    if script.name == ScriptPublisher.scriptName { try await requireNoRules() }
  }
}
