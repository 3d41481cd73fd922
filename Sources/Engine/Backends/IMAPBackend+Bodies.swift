import Bytes
import MailProtocols
import MailTransport
import MIME
import Model
import Net
import Store
import Synchronization

/// A message on the server.
private struct ServerPlace: Equatable {
  var mailbox: MailboxName
  var uidValidity: Int64
  var uid: UID
}

/// The mailbox has another name by now, or is another one: a pass over all of them tells where the message is.
private struct StalePlace: Error {
  /// What the server said to its name; nil where it was opened, and is another one.
  var refusal: IMAPError?
}

extension IMAPBackend {
  /// Reads a section from wherever the server has the message now.
  func read(
    _ message: ID<Message>,
    _ section: BodySection,
    decoding encoding: TransferEncoding,
    to sink: @escaping BodySink
  ) async throws {
    var last: ServerPlace?
    // Connections that waited in the pool may have been closed meanwhile: then a new one is tried.
    let hasBegun = Mutex(false)
    var (losses, looks) = (0, 0)
    let sink: BodySink = { piece in
      hasBegun.withLock { $0 = true }
      try await sink(piece)
    }
    for _ in 0..<Self.moveTries {
      guard let found = try await store.location(of: message, in: account) else {
        // It vanished from its mailbox, and is found in another one soon, or known to be gone.
        guard try await store.message(message, of: account).count == 1 else {
          throw ServiceError.notFound("message")
        }
        try await waitForMove()
        continue
      }
      let server = ServerPlace(
        mailbox: MailboxName(stored: found.encodedName),
        uidValidity: found.uidValidity,
        uid: UID(UInt32(clamping: found.uid))
      )
      do {
        return try await transfer(server, section, encoding, to: sink)
      } catch let error as IMAPError
        where error.isLoss && losses < Self.connectionTries && !hasBegun.withLock({ $0 })
      {
        losses += 1
      } catch let error as StalePlace {
        guard looks < Self.looks, !hasBegun.withLock({ $0 }) else {
          if let refusal = error.refusal { throw refusal }
          break
        }
        if looks == 0 { signal.notify(.tree) }
        looks += 1
        try await waitForMove()
      } catch IMAPError.notFound {
        // Nothing was handed out yet. A move of ours may have come in between.
        let isMoving = try await store.isPending(message, of: account)
        guard isMoving || server != last else { throw IMAPError.notFound }
        last = server
        try await waitForMove()
      }
    }
    throw ServiceError(
      .conflict,
      "The message is on its way between mailboxes; try again shortly.",
      isRetryable: true,
      retryAfter: 1
    )
  }

  /// How many connections a read may find lost before it has read anything: as many as wait in a pool.
  private static var connectionTries: Int { 3 }

  /// How often a message is looked for whose mailbox is not what it was, a quarter of a second apart.
  private static var looks: Int { 12 }

  /// How often a message that is being moved is looked for, a quarter of a second apart.
  private static var moveTries: Int { 40 }

  private func waitForMove() async throws {
    try await EventLoop.current?.sleep(until: .now + .milliseconds(250))
  }

  /// Reads a section on the account's loop and hands it to `sink` on the caller's.
  private func transfer(
    _ place: ServerPlace,
    _ section: BodySection,
    _ encoding: TransferEncoding,
    to sink: BodySink
  ) async throws {
    let handoff = Handoff<[UInt8]>()
    let reading = Task(executorPreference: loop) { [bodies] in
      do {
        let isThere = try await bodies.withClient { client in
          if client.selected?.name != place.mailbox || client.uidValidity != place.uidValidity {
            try await client.examine(place.mailbox)
          }
          // Made anew meanwhile: the UID is another message's, or nobody's.
          guard client.uidValidity == place.uidValidity else { return false }
          try await Self.read(client.fetchBody(place.uid, section), encoding, into: handoff)
          return true
        }
        handoff.finish(isThere ? nil : StalePlace())
      } catch let error as IMAPError where error.lacksMailbox {
        handoff.finish(StalePlace(refusal: error))
      } catch {
        handoff.finish(error)
      }
    }
    try await withTaskCancellationHandler {
      do {
        while let piece = try await handoff.next() { try await sink(piece) }
        _ = await reading.result
      } catch {
        handoff.cancel()
        reading.cancel()
        _ = await reading.result
        throw error
      }
    } onCancel: {
      handoff.cancel()
      reading.cancel()
    }
  }

  /// Decodes what `fetch` reads and hands it over.
  private static func read(
    _ fetch: BodyFetch,
    _ encoding: TransferEncoding,
    into handoff: Handoff<[UInt8]>
  ) async throws {
    var decoder = TransferDecoder(encoding)
    while let piece = try await fetch.next() {
      var decoded: [UInt8] = []
      decoder.receive(piece.span, into: &decoded)
      if !decoded.isEmpty { try await handoff.send(decoded) }
      // A burst of pieces that are here already does not hold the loop.
      await Task.yield()
    }
    var rest: [UInt8] = []
    decoder.finish(into: &rest)
    if !rest.isEmpty { try await handoff.send(rest) }
  }
}

extension IMAPError {
  /// Whether the connection was lost, and the command may do on another one.
  fileprivate var isLoss: Bool {
    switch self {
    case .bye, .closed, .network: true
    default: false
    }
  }
}
