package import Bytes
import Crypto
import MIME
package import Model
import Net
package import Store

extension Engine {
  /// Keeps a raw message and shows it at once: durable when this returns, and on its way to the server where the mailbox is of one.
  ///
  /// Line ends become CRLF. Beyond the quota of an account it is refused by `over_quota`. With an envelope it is new mail, at which
  /// the rules of the account look.
  package func importMessage(
    _ raw: [UInt8],
    into mailbox: ID<Mailbox>,
    of account: ID<Account>,
    keywords: [String],
    receivedAt: Timestamp?,
    envelope: DeliveryEnvelope? = nil,
    claim: IdempotencyClaim? = nil
  ) async throws(ServiceError) -> ID<Message> {
    var delivery = try await services.delivery(
      of: raw,
      into: mailbox,
      keywords: keywords,
      receivedAt: receivedAt ?? services.now()
    )
    delivery.claim = claim
    delivery.envelope = envelope
    let id = try await services.deliveries.deliver(delivery, to: account)
    wake(account, .operations)
    return id
  }

  /// Keeps a message that comes in piece by piece, as `importMessage` does; `next` is asked until it gives nil.
  ///
  /// - Throws: `ServiceError`, of which `body_too_large` says that it is longer than any message may be; or what `next` throws.
  package func deliver(
    into mailbox: ID<Mailbox>,
    of account: ID<Account>,
    receivedAt: Timestamp? = nil,
    _ next: () async throws -> [UInt8]?
  ) async throws -> ID<Message> {
    let limit = services.configuration.messageBytes
    var raw: [UInt8] = []
    while let piece = try await next() {
      guard raw.count + piece.count <= limit else {
        throw ServiceError(.bodyTooLarge, "The message is longer than \(limit) bytes.")
      }
      raw += piece
    }
    return try await importMessage(
      raw,
      into: mailbox,
      of: account,
      keywords: [],
      receivedAt: receivedAt
    )
  }
}

extension EngineServices {
  /// A raw message, parsed and compressed, to be kept in `mailbox`.
  func delivery(
    of raw: [UInt8],
    into mailbox: ID<Mailbox>,
    keywords: [String],
    receivedAt: Timestamp
  ) async throws(ServiceError) -> Delivery {
    guard raw.count >= configuration.parsedAside else {
      return try Delivery(raw, keywords, receivedAt, into: mailbox, by: store.compressors)
    }
    do {
      return try await group.blocking.run { [compressors = store.compressors] in
        try Delivery(raw, keywords, receivedAt, into: mailbox, by: compressors)
      }
    } catch let error as ServiceError {
      throw error
    } catch {
      throw ServiceError(
        .unavailable,
        "Too much is being done at once.",
        cause: "\(error)",
        isRetryable: true,
        retryAfter: 1
      )
    }
  }
}

extension Delivery {
  /// A raw message, parsed and compressed; its line ends become CRLF.
  init(
    _ raw: [UInt8],
    _ keywords: [String],
    _ receivedAt: Timestamp,
    into mailbox: ID<Mailbox>,
    by compressors: Compressors
  ) throws(ServiceError) {
    try self.init(
      canonical: LineEnds.canonical(raw),
      keywords,
      receivedAt,
      into: mailbox,
      by: compressors
    )
  }

  /// The same of one whose lines end by CRLF already.
  ///
  /// With `readsTrace` it came when its topmost Received field says, unless that lies after `receivedAt`.
  init(
    canonical raw: [UInt8],
    _ keywords: [String],
    _ receivedAt: Timestamp,
    readsTrace: Bool = false,
    into mailbox: ID<Mailbox>,
    by compressors: Compressors
  ) throws(ServiceError) {
    let digest = Digest.sha256(raw)
    let message = NewMessage(
      raw: raw,
      digest: digest,
      keywords: keywords,
      receivedAt: receivedAt,
      readsTrace: readsTrace
    )
    let blob = try RawBlob(raw, digest: digest, leaves: message.leafRanges, by: compressors)
    self.init(message, blob, into: mailbox)
  }
}
