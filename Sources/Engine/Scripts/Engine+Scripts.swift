import Bytes
import MailProtocols
import MailTransport
package import Model
import Net
import Rules
import Sieve
package import Store

/// How much the scripts of an account may be.
package struct ScriptLimits: Sendable {
  /// Most scripts of an account that are kept here.
  package var scripts = 100
  /// Longest script, in bytes.
  package var bytes = SieveLimits().scriptBytes

  package init() {}
}

/// Something wrong in a script, and where.
package struct ScriptValidationFault: Sendable {
  /// The name of the included script that is wrong; nil for the script itself.
  package var script: String?
  package var line: Int
  package var column: Int
  package var message: String

  init(_ error: ScriptError) {
    script = error.script
    line = error.line
    column = error.column
    message = error.message
  }
}

/// What became of a look at a script.
package struct ScriptValidation: Sendable {
  /// What is wrong with it by this service's own reading; empty for an account whose server reads scripts.
  package var errors: [ScriptValidationFault] = []
  /// What the server says is wrong with it, in its own words.
  package var refusal: String?
  /// What the server warns of.
  package var warning: String?

  package var isValid: Bool { errors.isEmpty && refusal == nil }
}

extension Engine {
  /// The scripts of an account, by name.
  package func scripts(
    of id: ID<Account>
  ) async throws(ServiceError) -> [ScriptRecord] {
    let account = try await requireAccount(id)
    guard account.sieve != nil else { return try await store.scripts(of: id, atServer: false) }
    return try await atServer(account) { try await $0.list() }
  }

  /// One script with its contents.
  package func script(
    _ id: ID<SieveScript>,
    of account: ID<Account>
  ) async throws(ServiceError) -> ScriptRecord {
    guard let known = try await store.script(id, of: account) else { throw .notFound("script") }
    guard known.content == nil else { return known }
    return try await atServer(try await requireAccount(account)) { try await $0.script(id) }
  }

  /// Adds a script, and makes it the active one where `activates`.
  package func createScript(
    _ name: String,
    _ content: [UInt8],
    of id: ID<Account>,
    activates: Bool,
    claim: IdempotencyClaim? = nil
  ) async throws(ServiceError) -> ScriptRecord {
    try check(name: name)
    let account = try await requireAccount(id)
    guard account.sieve == nil else {
      return try await atServer(account) {
        try await $0.create(name, content, activates: activates, claim: claim)
      }
    }
    try await check(content, of: id)
    return try await store.putScript(
      name,
      content,
      of: id,
      activates: activates,
      replaces: false,
      limit: ScriptLimits().scripts,
      claim: claim
    )
  }

  /// Gives a script another name or other contents; what is nil stays.
  package func updateScript(
    _ id: ID<SieveScript>,
    of account: ID<Account>,
    name: String?,
    content: [UInt8]?
  ) async throws(ServiceError) -> ScriptRecord {
    if let name { try check(name: name) }
    let known = try await requireAccount(account)
    guard known.sieve == nil else {
      return try await atServer(known) {
        try await $0.update(id, name: name, content: content)
      }
    }
    if let content { try await check(content, of: account) }
    return try await store.updateScript(id, of: account, name: name, content: content)
  }

  /// Makes a script the active one; nil leaves none active.
  package func activateScript(
    _ id: ID<SieveScript>?,
    of account: ID<Account>
  ) async throws(ServiceError) {
    let known = try await requireAccount(account)
    guard known.sieve == nil else {
      return try await atServer(known) { try await $0.activate(id) }
    }
    try await store.activateScript(id, of: account)
  }

  /// Forgets a script that is not the active one.
  package func deleteScript(
    _ id: ID<SieveScript>,
    of account: ID<Account>
  ) async throws(ServiceError) {
    let known = try await requireAccount(account)
    guard known.sieve == nil else {
      return try await atServer(known) { try await $0.delete(id) }
    }
    try await store.deleteScript(id, of: account)
  }

  /// Looks at a script as it would be looked at where it is to run; nothing is stored.
  package func validateScript(
    _ content: [UInt8],
    of id: ID<Account>
  ) async throws(ServiceError) -> ScriptValidation {
    let account = try await requireAccount(id)
    guard account.sieve == nil else {
      return try await atServer(account) { try await $0.validate(content) }
    }
    let texts = try await scriptTexts(of: id)
    do throws(ScriptErrors) {
      _ = try ServiceScript.compile(content, among: texts)
      return ScriptValidation()
    } catch {
      return ScriptValidation(errors: error.errors.map { ScriptValidationFault($0) })
    }
  }

  /// Keeps a script that rules cannot say in the place of the rules, which do not run as long as it is active.
  package func replaceRules(
    of account: ID<Account>,
    byScript content: [UInt8]
  ) async throws(ServiceError) {
    try await check(content, of: account)
    _ = try await store.putScript(
      ServiceScript.nameInPlaceOfRules,
      content,
      of: account,
      activates: true,
      replaces: true,
      limit: ScriptLimits().scripts
    )
  }

  /// Whether a script, or one that it includes, may say that something is sent.
  package static func scriptSends(_ content: [UInt8]) -> Bool { ServiceScript.maySend(content) }

  // MARK: - What they have in common

  private func requireAccount(_ id: ID<Account>) async throws(ServiceError) -> Account {
    guard let account = try await store.account(id) else { throw .notFound("account") }
    return account
  }

  private func check(name: String) throws(ServiceError) {
    guard ManageSieveCommand.isScriptName(name) else {
      let wanted = "1 to 128 characters and no control character are wanted."
      throw ServiceError(
        .unprocessable,
        "/name: \(wanted)",
        fields: [FieldError(pointer: "/name", code: "format", detail: wanted)]
      )
    }
  }

  private func scriptTexts(of account: ID<Account>) async throws(ServiceError) -> ScriptTexts {
    ScriptTexts(try await store.scripts(of: account, atServer: false))
  }

  private func check(
    _ content: [UInt8],
    of account: ID<Account>
  ) async throws(ServiceError) {
    if ServiceScript.sends(content), try await requireAccount(account).outgoing == nil {
      throw ServiceError(
        .unprocessable,
        "The script sends, and the account has no outgoing server.",
        fields: [
          FieldError(pointer: "/content", code: "unsupported", detail: "It sends nothing.")
        ]
      )
    }
    let texts = try await scriptTexts(of: account)
    do throws(ScriptErrors) {
      _ = try ServiceScript.compile(content, among: texts)
    } catch {
      throw ServiceError(
        .unprocessable,
        "The script is wrong. \(error.errors.map(\.description).joined(separator: "\n"))",
        fields: error.errors.map {
          FieldError(pointer: "/content", code: "format", detail: $0.description)
        }
      )
    }
  }

  /// Does something with the scripts at an account's server, one at a time with what publishes rules there.
  private func atServer<R>(
    _ account: Account,
    _ body: (ServerScripts) async throws -> R
  ) async throws(ServiceError) -> R {
    let services = services
    return try await serviceErrors(account.id) {
      try await services.publishing[account.id].withLock {
        let secret = try await services.store.sieveSecret(of: account)
        let client = try await services.backends.sieve(account, secret: secret)
        defer { client.close() }
        do {
          let result = try await body(
            ServerScripts(account: account, client: client, store: services.store)
          )
          await client.logout()
          return result
        } catch let error as ManageSieveError {
          throw ServiceError(error, host: account.sieve?.server.host ?? "")
        }
      }
    }
  }
}
