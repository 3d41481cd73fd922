import Bytes
import Crypto
import HTTP
import HTTPTransport
import Model
import Store

/// Makes a retried POST safe: the first answer under an `Idempotency-Key` is kept and given again.
struct Idempotency {
  let store: Store
  let token: ID<Token>
  let key: String
  /// Whether the answer holds a secret, and so is never stored.
  let holdsSecret: Bool

  /// The longest answer that is kept.
  private static let keptBytes = 1 << 20

  /// The key that `fields` give; nil where they give none.
  static func key(_ fields: HTTPFields) throws(ServiceError) -> String? {
    guard let key = fields["idempotency-key"] else { return nil }
    let isGood =
      (1...255).contains(key.utf8.count) && key.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }
    guard isGood, fields.values(of: "idempotency-key").count == 1 else {
      throw ServiceError(
        .invalidRequest,
        "Idempotency-Key is 1 to 255 printable ASCII characters, once."
      )
    }
    return key
  }

  /// What tells one request from another: method, target, type and body.
  static func fingerprint(_ request: HTTPRequest, body: [UInt8]) -> [UInt8] {
    let separator: [UInt8] = [0]
    var hash = SHA256()
    hash.update(Array(request.method.rawValue.utf8).span)
    hash.update(separator.span)
    hash.update(request.target.span)
    hash.update(separator.span)
    hash.update(Array((request.fields["content-type"] ?? "").utf8).span)
    hash.update(separator.span)
    hash.update(body.span)
    return hash.finish()
  }

  /// Answers by `work`, or by what it answered before.
  func run(
    fingerprint: [UInt8],
    _ work: () async throws(ServiceError) -> HTTPResponse,
    failure: (ServiceError) -> HTTPResponse
  ) async throws(ServiceError) -> HTTPResponse {
    switch try await store.beginIdempotent(token: token, key: key, fingerprint: fingerprint) {
    case .fresh: return try await first(work, failure: failure)
    case .running:
      throw ServiceError(
        .idempotencyInProgress,
        "The first request with this key still runs.",
        isRetryable: true,
        retryAfter: 1
      )
    case .reused:
      throw ServiceError(
        .idempotencyKeyReused,
        "This key came before with another request."
      )
    case .done(let status, let type, let location, let body):
      return try Self.replay(status: status, type: type, location: location, body: body)
    }
  }

  /// Does the work; keeps what the caller has to live with, gives the key back after what may pass.
  ///
  /// A failure may come after the effect: of the commit's answer, of what is read for ours. So the
  /// transactions that make something settle the claim themselves, and a settled one is not given back.
  private func first(
    _ work: () async throws(ServiceError) -> HTTPResponse,
    failure: (ServiceError) -> HTTPResponse
  ) async throws(ServiceError) -> HTTPResponse {
    let response: HTTPResponse
    do throws(ServiceError) {
      response = try await work()
    } catch {
      let answer = failure(error)
      guard answer.status.rawValue < 500, !error.isRetryable else {
        try await store.abandonIdempotent(token: token, key: key)
        throw error
      }
      try await keep(answer)
      return answer
    }
    try await keep(response)
    return response
  }

  private func keep(_ response: HTTPResponse) async throws(ServiceError) {
    let isSecret = holdsSecret && response.status.rawValue < 300
    let body: [UInt8]?
    switch response.body {
    case .empty: body = []
    case .bytes(let bytes) where bytes.count <= Self.keptBytes: body = bytes
    default: return try await store.abandonIdempotent(token: token, key: key)
    }
    try await store.finishIdempotent(
      token: token,
      key: key,
      status: response.status.rawValue,
      contentType: response.fields["content-type"],
      location: response.fields["location"],
      body: isSecret ? nil : body
    )
  }

  private static func replay(
    status: Int,
    type: String?,
    location: String?,
    body: [UInt8]?
  ) throws(ServiceError) -> HTTPResponse {
    guard let body else {
      throw ServiceError(
        .idempotencyNotReplayable,
        location.map { "The first request made \($0); its answer was not kept." }
          ?? "What the first request did is not known; look before you ask with another key."
      )
    }
    var fields = HTTPFields()
    if let type { fields.append("Content-Type", type) }
    if let location { fields.append("Location", location) }
    fields.append("Idempotent-Replayed", constant: "true")
    return HTTPResponse(
      status: HTTPStatus(rawValue: status),
      fields: fields,
      body: body.isEmpty ? .empty : .bytes(body)
    )
  }
}
