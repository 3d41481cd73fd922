import Bytes
import Crypto
import Engine
import HTTP
import HTTPTransport
import Model
import Store

extension Endpoints {
  /// Answers `GET /v1/accounts/{accountId}/scripts`.
  func listScripts(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    var query = try call.query()
    let fields = FieldSelection(&query, known: ScriptJSON.listed)
    try query.finish()
    let scripts = try await engine.scripts(of: account)
    return Page(next: nil, state: nil).response(to: call) { json in
      for script in scripts { ScriptJSON.write(script, fields, isWhole: false, to: &json) }
    }
  }

  /// Answers `POST /v1/accounts/{accountId}/scripts`.
  func createScript(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    try call.requireNoQuery()
    let body = try await call.json(upTo: configuration.limits.jsonBytes)
    let faults = Faults()
    var object = ObjectDecoder(body, faults: faults)
    let name = object.string("name", .required)
    let content = object.string("content", .required, length: 0...ScriptJSON.longest)
    let activates = object.bool("isActive") ?? false
    object.finish()
    try faults.check()
    let source = Array((content ?? "").utf8)
    try requireSending(source, call)
    let script = try await engine.createScript(
      name ?? "",
      source,
      of: account,
      activates: activates,
      claim: call.claim
    )
    return answer(
      script,
      status: .created,
      location: "/v1/accounts/\(account)/scripts/\(script.id)"
    )
  }

  /// Answers `GET /v1/accounts/{accountId}/scripts/{scriptId}`; as `application/sieve` its contents alone.
  func showScript(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    var query = try call.query()
    let fields = FieldSelection(&query, known: ScriptJSON.members)
    try query.finish()
    let type = try Acceptance(call.request.fields).choose([.json, .sieve])
    let (_, script) = try await script(call)
    let tag = ScriptJSON.tag(script)
    if try call.preconditions().isNotModified(tag) { return .notModified(tag) }
    guard type == .sieve else { return answer(script, fields: fields) }
    return .sieve(script.content ?? [], tag: tag)
  }

  /// Answers `PATCH /v1/accounts/{accountId}/scripts/{scriptId}`.
  func updateScript(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    let body = try await call.json(upTo: configuration.limits.jsonBytes)
    let faults = Faults()
    var object = ObjectDecoder(body, faults: faults)
    let name = object.has("name") ? object.string("name", .required) : nil
    let content =
      object.has("content")
      ? object.string("content", .required, length: 0...ScriptJSON.longest) : nil
    object.finish()
    try faults.check()
    let (account, script) = try await script(call)
    try call.preconditions().requireMatch(ScriptJSON.tag(script))
    let source = content.map { Array($0.utf8) }
    if let source { try requireSending(source, call) }
    return answer(
      try await engine.updateScript(script.id, of: account, name: name, content: source)
    )
  }

  /// Answers `DELETE /v1/accounts/{accountId}/scripts/{scriptId}`.
  func deleteScript(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    let (account, script) = try await script(call)
    try call.preconditions().requireMatch(ScriptJSON.tag(script))
    try await engine.deleteScript(script.id, of: account)
    return .noContent
  }

  /// Answers `POST /v1/accounts/{accountId}/scripts/{scriptId}:activate`.
  func activateScript(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    let (account, script) = try await script(call)
    try requireSending(script.content ?? [], call)
    try await engine.activateScript(script.id, of: account)
    return answer(try await engine.script(script.id, of: account))
  }

  /// Answers `POST /v1/accounts/{accountId}/scripts:deactivate`.
  func deactivateScripts(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    try call.requireNoQuery()
    try await engine.activateScript(nil, of: account)
    return .noContent
  }

  /// Answers `POST /v1/accounts/{accountId}/scripts:validate`.
  func validateScript(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    try call.requireNoQuery()
    let source = try await sieve(call)
    let found = try await engine.validateScript(source, of: account)
    return .json { json in
      json.object { json in
        json.member("isValid") { $0.bool(found.isValid) }
        json.member("errors") { json in
          json.array { json in
            for error in found.errors { ScriptJSON.write(error, to: &json) }
          }
        }
        json.member("refusal") { $0.string(found.refusal) }
        json.member("warning") { $0.string(found.warning) }
      }
    }
  }

  /// A body of `application/sieve`.
  func sieve(_ call: Call) async throws(ServiceError) -> [UInt8] {
    if let type = try MediaType.ofBody(call.request.fields), type != .sieve, type != .form {
      throw ServiceError(.unsupportedMediaType, "The body has to be application/sieve.")
    }
    return try await call.body(upTo: configuration.limits.jsonBytes)
  }

  /// Who has a script send needs the scope to send.
  func requireSending(_ source: [UInt8], _ call: Call) throws(ServiceError) {
    if Engine.scriptSends(source) { try call.access.require(.send) }
  }

  private func script(
    _ call: Call
  ) async throws(ServiceError) -> (account: ID<Account>, script: ScriptRecord) {
    let account = try call.accountID()
    let id = try call.id(1, of: SieveScript.self)
    return (account, try await engine.script(id, of: account))
  }

  private func answer(
    _ script: ScriptRecord,
    fields: FieldSelection = .all,
    status: HTTPStatus = .ok,
    location: String? = nil
  ) -> HTTPResponse {
    .json(status: status, tag: ScriptJSON.tag(script), location: location) {
      ScriptJSON.write(script, fields, isWhole: true, to: &$0)
    }
  }
}

extension HTTPResponse {
  /// A script, to be saved.
  static func sieve(_ script: [UInt8], tag: ETag? = nil) -> HTTPResponse {
    var fields = HTTPFields()
    fields.append("Content-Type", constant: "application/sieve; charset=utf-8")
    fields.append("Content-Disposition", constant: "attachment")
    fields.append("Cache-Control", constant: "private, no-cache")
    return HTTPResponse(status: .ok, fields: fields, body: .bytes(script))
  }
}

/// The shape of a script.
enum ScriptJSON {
  static let listed = ["id", "name", "isActive"]
  static let members = listed + ["size", "content"]
  /// Longer than the interpreter takes, so that who is over it is told by which limit.
  static let longest = 1 << 20

  /// The tag changes with whatever of it changes, wherever that is changed.
  static func tag(_ script: ScriptRecord) -> ETag {
    let state = Array("\(script.isActive)\u{0}\(script.name)\u{0}".utf8)
    let digest = Digest.sha256(state + (script.content ?? []))
    return ETag(Hex.encode(digest.span.extracting(0..<12)))
  }

  static func write(
    _ script: ScriptRecord,
    _ fields: FieldSelection,
    isWhole: Bool,
    to json: inout JSONWriter
  ) {
    json.object { json in
      json.member("id", fields) { $0.id(script.id) }
      json.member("name", fields) { $0.string(script.name) }
      json.member("isActive", fields) { $0.bool(script.isActive) }
      guard isWhole else { return }
      json.member("size", fields) { $0.int(script.content?.count ?? 0) }
      json.member("content", fields) { json in
        json.string(String(decoding: script.content ?? [], as: UTF8.self))
      }
    }
  }

  static func write(_ error: ScriptValidationFault, to json: inout JSONWriter) {
    json.object { json in
      json.member("script") { $0.string(error.script) }
      json.member("line") { $0.int(error.line) }
      json.member("column") { $0.int(error.column) }
      json.member("detail") { $0.string(error.message) }
    }
  }
}
