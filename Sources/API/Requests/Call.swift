import Bytes
import HTTP
import HTTPTransport
import Model
import Store

/// One request on its way through a route's handler.
struct Call: Sendable {
  let request: HTTPRequest
  /// The values of the pattern's parameters, in order.
  let parameters: [String]
  let access: Access
  let requestID: String
  /// The idempotency key that the request has claimed; nil where it names none.
  var claim: IdempotencyClaim?

  /// The account that the path names; one that the token may not see does not exist.
  func accountID() throws(ServiceError) -> ID<Account> {
    let id = try id(0, of: Account.self)
    guard access.allows(id) else { throw .notFound }
    return id
  }

  /// The id at `index` of the path; an ill-formed one names nothing.
  func id<Noun: Identified>(_ index: Int, of noun: Noun.Type) throws(ServiceError) -> ID<Noun> {
    guard let id = ID<Noun>(text: parameters[index]) else { throw .notFound }
    return id
  }

  /// The conditions on the resource's version.
  func preconditions() throws(ServiceError) -> Preconditions {
    try Preconditions(request.fields)
  }

  /// A decoder of the query.
  func query() throws(ServiceError) -> QueryDecoder { try QueryDecoder(request) }

  /// Throws where there is any query parameter at all.
  func requireNoQuery() throws(ServiceError) {
    try query().finish()
  }
}

extension Call {
  /// The body of the request, all of it.
  func body(upTo limit: Int) async throws(ServiceError) -> [UInt8] {
    do throws(HTTPBodyError) {
      return try await request.body.collect(upTo: limit)
    } catch {
      throw ServiceError(body: error)
    }
  }

  /// The body as JSON, of whatever type it is.
  func json(upTo limit: Int) async throws(ServiceError) -> JSONValue {
    try requireJSON()
    return try Self.parse(try await body(upTo: limit))
  }

  /// The JSON body of a request that need not have one: an object without members then.
  func optionalJSON(upTo limit: Int) async throws(ServiceError) -> JSONValue {
    let text = try await body(upTo: limit)
    guard !text.isEmpty else { return .object([]) }
    try requireJSON()
    return try Self.parse(text)
  }

  private func requireJSON() throws(ServiceError) {
    if let type = try MediaType.ofBody(request.fields), !type.isJSON {
      throw ServiceError(.unsupportedMediaType, "The body has to be application/json.")
    }
  }

  /// The JSON value that `text` holds.
  static func parse(_ text: [UInt8]) throws(ServiceError) -> JSONValue {
    do throws(JSONError) {
      return try JSONReader.parse(text.span)
    } catch {
      throw ServiceError(json: error)
    }
  }
}

extension ServiceError {
  /// What a body that cannot be read means.
  init(body error: HTTPBodyError) {
    switch error {
    case .tooLarge(let limit):
      self.init(.bodyTooLarge, "At most \(limit) bytes are allowed here.")
    case .closed:
      self.init(.requestTimedOut, "The connection closed within the body.", isRetryable: true)
    case .malformed:
      self.init(.httpMalformed, "The body's framing is broken.")
    case .timedOut:
      self.init(.requestTimedOut, "The body did not arrive in time.", isRetryable: true)
    }
  }

  /// What a text that is no JSON means.
  init(json error: JSONError) {
    let detail = "\(error.words)."
    self.init(
      .jsonMalformed,
      detail,
      fields: [FieldError(pointer: "", code: "format", detail: detail)]
    )
  }
}
