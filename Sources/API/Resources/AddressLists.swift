import Bytes
import Engine
import HTTP
import HTTPTransport
import Model
import Rules
import Store

extension Endpoints {
  /// Answers `GET /v1/accounts/{accountId}/lists`.
  func listAddressLists(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try await account(call)
    var query = try call.query()
    let fields = FieldSelection(&query, known: AddressListJSON.members)
    try query.finish()
    let lists = try await store.addressLists(of: account.id)
    return Page(next: nil, state: nil).response(to: call) { json in
      for list in lists { AddressListJSON.write(list, fields, to: &json) }
    }
  }

  /// Answers `POST /v1/accounts/{accountId}/lists`.
  func createAddressList(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    try call.requireNoQuery()
    let body = try await call.json(upTo: configuration.limits.jsonBytes)
    let faults = Faults()
    let storable = StorableJSON(body)
    storable.note(in: faults)
    var object = ObjectDecoder(storable.value, faults: faults)
    let name = object.string("name", .required, length: 1...RuleLimits().nameBytes)
    let entries = Self.entries(&object, .required)
    object.finish()
    try faults.check()
    let list = try await store.insertAddressList(
      name: name ?? "",
      entries: entries ?? [],
      of: account,
      limit: RuleLimits().lists,
      claim: call.claim
    )
    return answer(
      list,
      status: .created,
      location: "/v1/accounts/\(account)/lists/\(list.id)"
    )
  }

  /// Answers `GET /v1/accounts/{accountId}/lists/{listId}`.
  func showAddressList(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    var query = try call.query()
    let fields = FieldSelection(&query, known: AddressListJSON.members)
    try query.finish()
    let (_, list) = try await addressList(call)
    let tag = ETag(version: list.version)
    if try call.preconditions().isNotModified(tag) { return .notModified(tag) }
    return answer(list, fields: fields)
  }

  /// Answers `PATCH /v1/accounts/{accountId}/lists/{listId}`.
  func updateAddressList(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    let body = try await call.json(upTo: configuration.limits.jsonBytes)
    let (account, list) = try await addressList(call)
    try call.preconditions().requireMatch(ETag(version: list.version))
    let faults = Faults()
    let storable = StorableJSON(body)
    storable.note(in: faults)
    var object = ObjectDecoder(storable.value, faults: faults)
    let name =
      object.has("name")
      ? object.string("name", .required, length: 1...RuleLimits().nameBytes) : nil
    let entries = object.has("entries") ? Self.entries(&object, .required) : nil
    object.finish()
    try faults.check()
    return answer(
      try await store.updateAddressList(
        list.id,
        of: account,
        name: name,
        entries: entries,
        ifVersion: list.version
      )
    )
  }

  /// Answers `DELETE /v1/accounts/{accountId}/lists/{listId}`.
  func deleteAddressList(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    let (account, list) = try await addressList(call)
    try call.preconditions().requireMatch(ETag(version: list.version))
    guard try await store.deleteAddressList(list.id, of: account) else { throw .notFound }
    return .noContent
  }

  private func addressList(
    _ call: Call
  ) async throws(ServiceError) -> (account: ID<Account>, list: AddressListRecord) {
    let account = try call.accountID()
    let id = try call.id(1, of: AddressListing.self)
    guard let list = try await store.addressList(id, of: account) else { throw .notFound }
    return (account, list)
  }

  private static func entries(
    _ object: inout ObjectDecoder,
    _ need: ObjectDecoder.Need
  ) -> [String]? {
    let limit = RuleLimits().listEntries
    guard
      let entries = object.strings("entries", need, count: 0...limit, length: 1...254)
    else { return nil }
    for (index, entry) in entries.enumerated() {
      TextRules.checkLine(
        entry,
        at: "\(object.pointer(to: "entries"))/\(index)",
        faults: object.faults
      )
    }
    return entries
  }

  private func answer(
    _ list: AddressListRecord,
    fields: FieldSelection = .all,
    status: HTTPStatus = .ok,
    location: String? = nil
  ) -> HTTPResponse {
    .json(status: status, tag: ETag(version: list.version), location: location) {
      AddressListJSON.write(list, fields, to: &$0)
    }
  }
}

/// The shape of a list of addresses and domains.
enum AddressListJSON {
  static let members = ["id", "name", "entries"]

  static func write(
    _ list: AddressListRecord,
    _ fields: FieldSelection,
    to json: inout JSONWriter
  ) {
    json.object { json in
      json.member("id", fields) { $0.id(list.id) }
      json.member("name", fields) { $0.string(list.name) }
      json.member("entries", fields) { $0.strings(list.entries) }
    }
  }
}
