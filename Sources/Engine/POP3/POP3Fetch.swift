import Bytes
import Logging
import MailProtocols
import MailTransport
import MIME
import Model
import Net
import Store

/// Fetches messages and stores them, transaction by transaction.
///
/// While one batch is stored the next is parsed on a thread beside the loops, and a third is on its way from the
/// server: so all three work, and no more than three batches, or two and one message, are in memory.
struct POP3Fetch {
  private let pass: POP3Pass
  private let queue: [POP3ListedMessage]
  private let storingLoop: EventLoop

  init(_ pass: POP3Pass, _ queue: [POP3ListedMessage]) {
    self.pass = pass
    self.queue = queue
    // What is busy reading would keep PostgreSQL waiting.
    storingLoop = pass.services.group.another()
  }

  /// A message as it came.
  private struct Raw: Sendable {
    var listed: POP3ListedMessage
    var bytes: [UInt8]
    /// Whether its final dot was there; else it is whole by its announced size alone.
    var hasEnd: Bool
  }

  /// A message that can be stored.
  private struct Prepared: Sendable {
    var listed: POP3ListedMessage
    var hasEnd: Bool
    var identity: POP3ContentIdentity
    var delivery: Delivery
  }

  private var services: EngineServices { pass.services }
  private var configuration: EngineConfiguration { pass.services.configuration }

  /// Fetches all of the queue; what came whole before an error is stored all the same.
  func run() async throws {
    guard !queue.isEmpty else { return }
    let (raw, prepared) = (Handoff<[Raw]>(), Handoff<[Prepared]>())
    async let storing: Void = store(prepared)
    async let preparing: Void = prepare(raw, into: prepared)
    var failure: (any Error)?
    do {
      try await retrieve(into: raw)
    } catch {
      failure = error
    }
    raw.finish(nil)
    // The last stage knows best why the others could not go on.
    var later: (any Error)?
    do {
      try await preparing
    } catch {
      later = error
    }
    try await storing
    if let error = later ?? failure { throw error }
  }

  // MARK: - From the server

  private func retrieve(into raw: Handoff<[Raw]>) async throws {
    let retrieval = pass.client.retrieve(queue)
    var batch: [Raw] = []
    var bytes = 0
    do {
      while !pass.hasLeft, let next = try await retrieval.nextMessage() {
        switch next {
        case .refused(_, let reply): pass.noteRefused(reply)
        case .message(let listed):
          let message = try await read(listed, retrieval)
          bytes += message.bytes.count
          batch.append(message)
        }
        guard batch.count >= configuration.pop3Batch || bytes >= configuration.pop3BatchBytes
        else { continue }
        try await raw.send(batch)
        (batch, bytes) = ([], 0)
      }
    } catch {
      if !batch.isEmpty { try await raw.send(batch) }
      throw error
    }
    if pass.hasLeft { retrieval.cancel() }
    if !batch.isEmpty { try await raw.send(batch) }
  }

  /// The message under way, as a whole.
  private func read(_ listed: POP3ListedMessage, _ retrieval: POP3Retrieval) async throws -> Raw {
    let limit = configuration.messageBytes
    var bytes: [UInt8] = []
    while let piece = try await retrieval.nextPiece() {
      guard bytes.count + piece.count <= limit else {
        // The rest of it would have to be read: another session goes on without it.
        pass.noteTooLong(listed)
        retrieval.cancel()
        throw ServiceError(
          .bodyTooLarge,
          "A message on the server is longer than \(limit) bytes."
        )
      }
      if bytes.isEmpty { bytes = piece } else { bytes += piece }
    }
    return Raw(listed: listed, bytes: bytes, hasEnd: retrieval.lastEnd == .dot)
  }

  // MARK: - Into rows

  private func prepare(_ raw: Handoff<[Raw]>, into prepared: Handoff<[Prepared]>) async throws {
    do {
      while let batch = try await raw.next() { try await prepared.send(rows(of: batch)) }
      prepared.finish(nil)
    } catch {
      raw.cancel()
      prepared.finish(nil)
      throw error
    }
  }

  private func rows(of batch: [Raw]) async throws -> [Prepared] {
    let (now, inbox, blocking) = (services.now(), pass.inbox, services.group.blocking)
    let compressors = services.store.compressors
    return try await blocking.run { try Self.rows(of: batch, now, inbox, compressors) }
  }

  private static func rows(
    of batch: [Raw],
    _ now: Timestamp,
    _ inbox: ID<Mailbox>,
    _ compressors: Compressors
  ) throws -> [Prepared] {
    try batch.map { message in
      let bytes = LineEnds.canonical(message.bytes)
      let delivery = try Delivery(
        canonical: bytes,
        [],
        now,
        readsTrace: true,
        into: inbox,
        by: compressors
      )
      return Prepared(
        listed: message.listed,
        hasEnd: message.hasEnd,
        identity: POP3ContentIdentity(bytes, digest: delivery.blob.digest),
        delivery: delivery
      )
    }
  }

  // MARK: - Into the database

  private func store(_ prepared: Handoff<[Prepared]>) async throws {
    do {
      while let batch = try await prepared.next() { try await store(batch) }
    } catch {
      prepared.cancel()
      throw error
    }
  }

  /// Stores those of a batch that are new, each with the record that it came, in one transaction.
  private func store(_ batch: [Prepared]) async throws {
    var new: [Prepared] = []
    for var message in batch {
      let (listed, identity) = (message.listed, message.identity)
      if pass.ledger.find(listed, identity, hasEnd: message.hasEnd) { continue }
      message.delivery.source = ServerMessage(
        key: pass.ledger.newKey(listed, identity),
        state: message.hasEnd ? .kept : .doubtful,
        digest: identity.digest,
        headerDigest: identity.headerDigest
      )
      new.append(message)
    }
    guard !new.isEmpty else { return }
    let (deliveries, line, account) = (new.map(\.delivery), services.deliveries, pass.account)
    // On another loop than the server's: that one is busy for as long as the server sends, and PostgreSQL would wait for it.
    let outcomes = await withTaskExecutorPreference(storingLoop) {
      await line.deliver(deliveries, to: account)
    }
    for (message, outcome) in zip(new, outcomes) {
      switch outcome {
      case .success:
        pass.noteStored(1)
        guard let key = message.delivery.source?.key else { continue }
        pass.ledger.noteStored(key, at: message.listed, hasEnd: message.hasEnd)
      case .failure(let error) where error.isRetryable: throw error
      case .failure(let error):
        pass.logger.notice("message left on the server", metadata: ["cause": "\(error.message)"])
        pass.noteLeft(error)
      }
    }
  }
}
