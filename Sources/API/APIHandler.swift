import Bytes
package import Engine
package import HTTP
package import HTTPTransport
package import Logging
import Model
package import Store

/// Answers the requests of the REST API.
///
/// The way of a request: route, token, scope, idempotency key, handler. Whatever goes wrong on it is a
/// `ServiceError`, which becomes a problem in one place. What a handler answers is not looked into.
package struct APIHandler: HTTPHandler {
  private let endpoints: Endpoints
  private let router = Router(Route.all)
  private let requestIDs = RequestIDs()
  private let logger: Logger

  /// A handler over these parts.
  package init(
    store: Store,
    engine: Engine,
    configuration: APIConfiguration,
    logger: Logger
  ) {
    endpoints = Endpoints(store: store, engine: engine, configuration: configuration)
    self.logger = logger
  }

  /// The answer to `request`, a problem included.
  package func respond(to request: HTTPRequest) async -> HTTPResponse {
    let id = requestIDs.next()
    var response: HTTPResponse
    do throws(ServiceError) {
      response = try await answer(request, id: id)
    } catch {
      if ProblemTable.entry(for: error.code).status.rawValue >= 500 { log(error, id: id) }
      response = problem(error, request, id: id)
    }
    response = response.identified(by: id)
    log(request, response, id: id)
    return response
  }

  /// The problem for what is no request.
  package func protocolError(_ status: HTTPStatus, reason: String) -> HTTPResponse {
    let error = ServiceError.protocolError(status, reason: reason)
    let id = requestIDs.next()
    return Problem(error: error, instance: nil, requestID: id).response().identified(by: id)
  }

  /// Ends the streams of events.
  package func endStreams() { endpoints.engine.feed.close() }

  private func problem(_ error: ServiceError, _ request: HTTPRequest, id: String) -> HTTPResponse {
    Problem(error: error, instance: request.path, requestID: id).response()
  }

  // MARK: - The way of a request

  private func answer(
    _ request: HTTPRequest,
    id: String
  ) async throws(ServiceError) -> HTTPResponse {
    let segments: [String]
    do throws(HTTPTargetError) {
      segments = try request.segments
    } catch {
      throw ServiceError(.httpMalformed, "The path cannot be read. \(error.words).")
    }
    if request.method == .options, request.path == "*" {
      return methodAnswer(request, allow: Route.methods, id: id)
    }
    switch router.match(request.method, segments) {
    case .notFound:
      throw ServiceError(.notFound, "There is nothing at this path.")
    case .methodNotAllowed(let allow):
      return methodAnswer(request, allow: allow, id: id)
    case .found(let route, let parameters):
      let access = try await access(request, for: route)
      let call = Call(request: request, parameters: parameters, access: access, requestID: id)
      return try await perform(route, call)
    }
  }

  /// OPTIONS says what there is; any other method is told.
  private func methodAnswer(
    _ request: HTTPRequest,
    allow: [HTTPMethod],
    id: String
  ) -> HTTPResponse {
    let methods = allow.map(\.rawValue).joined(separator: ", ")
    var response: HTTPResponse
    if request.method == .options {
      response = .noContent
    } else {
      let error = ServiceError(.methodNotAllowed, "What is allowed here is \(methods).")
      response = problem(error, request, id: id)
    }
    response.fields.append("Allow", methods)
    return response
  }

  private func perform(
    _ route: Route,
    _ call: Call
  ) async throws(ServiceError) -> HTTPResponse {
    guard route.idempotency != .none, let key = try Idempotency.key(call.request.fields) else {
      return try await route.handler(endpoints)(call)
    }
    let limit = endpoints.configuration.limits.messageBytes * 4 / 3
    let body = try await call.body(upTo: limit)
    let replayable = Call(
      request: HTTPRequest(
        head: call.request.head,
        body: HTTPRequestBody(body),
        remoteAddress: call.request.remoteAddress,
        receivedAt: call.request.receivedAt
      ),
      parameters: call.parameters,
      access: call.access,
      requestID: call.requestID,
      claim: IdempotencyClaim(token: call.access.tokenID, key: key)
    )
    let idempotency = Idempotency(
      store: endpoints.store,
      token: call.access.tokenID,
      key: key,
      holdsSecret: route.idempotency == .secret
    )
    return try await idempotency.run(
      fingerprint: Idempotency.fingerprint(call.request, body: body)
    ) { () async throws(ServiceError) in
      try await route.handler(endpoints)(replayable)
    } failure: { error in
      problem(error, call.request, id: call.requestID)
    }
  }

  // MARK: - Tokens

  /// What the request may do; throws unless that is what the route needs.
  private func access(
    _ request: HTTPRequest,
    for route: Route
  ) async throws(ServiceError) -> Access {
    guard let scope = route.scope else {
      return Access(tokenID: ID(0), scopes: [], accounts: [])
    }
    guard let digest = BearerToken.digest(from: request.fields) else {
      throw ServiceError(
        .unauthenticated,
        "Send a token as \"Authorization: Bearer …\"."
      )
    }
    let access = try await access(digest: digest, now: request.receivedAt)
    try access.require(scope)
    return access
  }

  private func access(
    digest: [UInt8],
    now: ContinuousClock.Instant
  ) async throws(ServiceError) -> Access {
    if let known = endpoints.tokens.access(for: digest, now: now) { return known }
    let clock = Timestamp.now()
    guard let record = try await endpoints.store.token(digest: digest), !record.isRevoked,
      record.expiresAt.map({ $0 > clock }) ?? true
    else {
      throw ServiceError(.unauthenticated, "The token is unknown, expired or revoked.")
    }
    let access = Access(
      tokenID: record.id,
      scopes: record.scopes,
      accounts: record.accounts
    )
    let remaining = record.expiresAt.map {
      Duration.microseconds($0.microseconds - clock.microseconds)
    }
    endpoints.tokens.insert(access, for: digest, endsIn: remaining, now: now)
    try await endpoints.store.touchToken(record.id)
    return access
  }

  // MARK: - Logging

  /// One quiet line a request: the path without its query, no field, no body, no secret.
  private func log(_ request: HTTPRequest, _ response: HTTPResponse, id: String) {
    guard logger.logLevel <= .debug else { return }
    let elapsed = ContinuousClock.now - request.receivedAt
    logger.debug(
      "request",
      metadata: [
        "id": "\(id)",
        "method": "\(request.method)",
        "path": "\(request.path)",
        "status": "\(response.status)",
        "microseconds": "\(elapsed / .microseconds(1))",
      ]
    )
  }

  /// What a failure of ours or of a back end came from.
  private func log(_ error: ServiceError, id: String) {
    let isOurs = error.code == .internalError
    logger.log(
      level: isOurs ? .error : .info,
      "request failed",
      metadata: [
        "id": "\(id)",
        "code": "\(error.code.rawValue)",
        "detail": "\(error.message)",
        "cause": "\(error.cause ?? "")",
      ]
    )
  }
}
