import HTTP
import HTTPTransport
import Model

/// One operation of the API: where it is found, what it needs, what answers it.
struct Route: Sendable {
  /// What answers a call.
  typealias Handler =
    @Sendable (Endpoints) -> (Call) async throws(ServiceError) -> HTTPResponse

  /// How an `Idempotency-Key` is taken.
  enum Idempotency: Sendable {
    /// The route has no effect that a replay would repeat; a key is ignored.
    case none
    /// The answer is kept and replayed.
    case replayed
    /// The answer holds a secret and is not kept.
    case secret
  }

  let method: HTTPMethod
  /// The path as `openapi.yaml` has it.
  let pattern: String
  /// The scope that the token needs; nil where no token is asked for.
  let scope: Scope?
  let idempotency: Idempotency
  let handler: Handler

  init(
    _ method: HTTPMethod,
    _ pattern: String,
    _ scope: Scope?,
    idempotency: Idempotency? = nil,
    _ handler: @escaping Handler
  ) {
    self.method = method
    self.pattern = pattern
    self.scope = scope
    self.idempotency = idempotency ?? (method == .post ? .replayed : .none)
    self.handler = handler
  }
}
