import Bytes
import MailProtocols
import MailTransport
import MIME
package import Model
import Net
import Store
import Synchronization

/// A message on the server.
private struct ServerPlace: Equatable {
  var mailbox: MailboxName
  var uidValidity: Int64
  var uid: UID
}

/// What is to be read: a message kept here, or one on the server.
private struct Whereabouts {
  var message: ID<Message>
  var blob: ID<Blob>?
  var size: Int
  var leaves: [StoredPart]
  var textParts: [StoredPart]
}

extension Engine {
  /// The whole message as it was received.
  package func openRaw(
    _ id: ID<Message>,
    of account: ID<Account>
  ) async throws(ServiceError) -> BodySource {
    let place = try await whereabouts(id, account)
    let produce = producer(place, account, .message)
    // RFC822.SIZE is wrong on some servers: the length is told only where it is ours.
    return BodySource(
      contentType: "message/rfc822",
      charset: nil,
      filename: "\(id).eml",
      disposition: "attachment",
      length: place.blob == nil ? nil : place.size,
      etag: "\"\(id)-raw\"",
      produce: produce
    )
  }

  /// The decoded content of one part.
  package func openPart(
    _ id: ID<Message>,
    of account: ID<Account>,
    partID: String
  ) async throws(ServiceError) -> BodySource {
    let place = try await whereabouts(id, account)
    guard let index = place.leaves.firstIndex(where: { $0.partID == partID }),
      let path = PartPath(partID)
    else { throw .notFound("part") }
    let part = place.leaves[index]
    return BodySource(
      contentType: part.type,
      charset: part.charset,
      filename: part.name,
      disposition: part.disposition,
      // The sizes of what is kept here are ours, and count decoded bytes.
      length: part.encoding.isIdentity || place.blob != nil ? part.size : nil,
      etag: "\"\(id)-\(partID)\"",
      produce: place.blob.map { keptPart(part, index, of: $0, account) }
        ?? producer(place, account, .part(path), decoding: part.encoding)
    )
  }

  /// The texts of a message's text and HTML parts, each at most `limit` bytes before decoding.
  package func bodyValues(
    _ id: ID<Message>,
    of account: ID<Account>,
    limit: Int
  ) async throws(ServiceError) -> [BodyValue] {
    let place = try await whereabouts(id, account)
    var values: [BodyValue] = []
    for part in place.textParts where part.type.hasPrefix("text/") {
      let source = try await openPart(id, of: account, partID: part.partID)
      let (bytes, isTruncated) = try await serviceErrors(account) {
        try await source.collect(upTo: min(limit, services.configuration.textLimit))
      }
      let text = Charset.decode(bytes.span, charset: part.charset)
      values.append(
        BodyValue(
          partID: part.partID,
          value: text.text,
          isTruncated: isTruncated,
          isEncodingProblem: text.problem != nil
        )
      )
    }
    return values
  }

  /// The header fields in their order, values raw.
  package func header(
    _ id: ID<Message>,
    of account: ID<Account>
  ) async throws(ServiceError) -> [(name: String, value: String)] {
    let place = try await whereabouts(id, account)
    let source = BodySource(
      contentType: "",
      length: nil,
      etag: "",
      produce: producer(place, account, place.blob == nil ? .header : .message)
    )
    let (bytes, _) = try await serviceErrors(account) {
      try await source.collect(upTo: MIMELimits().headerBytes)
    }
    let fields = HeaderFields(parsing: bytes)
    return fields.fields.map { (name: fields.name(of: $0), value: fields.raw($0)) }
  }

  private func whereabouts(
    _ id: ID<Message>,
    _ account: ID<Account>
  ) async throws(ServiceError) -> Whereabouts {
    let page = try await store.message(id, of: account)
    guard page.count == 1 else { throw .notFound("message") }
    let row = page.row(0)
    let leaves = StoredPart.leaves(of: row.bodyStructure)
    return Whereabouts(
      message: id,
      blob: try row.blobID,
      size: Int(row.size),
      leaves: leaves,
      textParts: Self.textParts(leaves, row.textBody, row.htmlBody)
    )
  }

  private static func textParts(
    _ leaves: [StoredPart],
    _ text: Span<UInt8>,
    _ html: Span<UInt8>
  ) -> [StoredPart] {
    var ids: Set<Substring> = []
    for list in [String(utf8: text), String(utf8: html)] {
      ids.formUnion(list.split(separator: ","))
    }
    return leaves.filter { ids.contains($0.partID[...]) }
  }

  // MARK: - Producers

  typealias Produce = @Sendable (_ sink: @escaping BodySink) async throws -> Void

  /// Reads a section from the server, or the whole message kept here.
  private func producer(
    _ place: Whereabouts,
    _ account: ID<Account>,
    _ section: BodySection,
    decoding encoding: TransferEncoding = .binary
  ) -> Produce {
    if let blob = place.blob {
      return { [store] sink in
        var position = 0
        while let chunk = try await store.blobChunk(position, of: blob, of: account) {
          try await sink(chunk)
          position += 1
        }
      }
    }
    return { [self] sink in
      do {
        try await read(place.message, section, encoding, of: account, to: sink)
      } catch let error as IMAPError {
        throw serviceError(error, account)  // What the sink throws stays as it is.
      }
    }
  }

  /// Reads a section from wherever the server has the message now.
  private func read(
    _ message: ID<Message>,
    _ section: BodySection,
    _ encoding: TransferEncoding,
    of account: ID<Account>,
    to sink: @escaping BodySink
  ) async throws {
    var last: ServerPlace?
    // Connections that waited in the pool may have been closed meanwhile: then a new one is tried.
    let hasBegun = Mutex(false)
    var losses = 0
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
        mailbox: MailboxName(encoded: Array(found.encodedName.utf8)),
        uidValidity: found.uidValidity,
        uid: UID(UInt32(clamping: found.uid))
      )
      do {
        return try await transfer(server, account, section, encoding, to: sink)
      } catch let error as IMAPError
        where error.isLoss && losses < Self.connectionTries && !hasBegun.withLock({ $0 })
      {
        losses += 1
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

  /// How often a message that is being moved is looked for, a quarter of a second apart.
  private static var moveTries: Int { 40 }

  private func waitForMove() async throws {
    try await EventLoop.current?.sleep(until: .now + .milliseconds(250))
  }

  /// Reads a section on the account's loop and hands it to `sink` on the caller's.
  private func transfer(
    _ place: ServerPlace,
    _ account: ID<Account>,
    _ section: BodySection,
    _ encoding: TransferEncoding,
    to sink: BodySink
  ) async throws {
    let handoff = Handoff<[UInt8]>()
    let reading = try accountTask(account) { pool in
      do {
        try await pool.withClient { client in
          if client.selected?.name != place.mailbox || client.uidValidity != place.uidValidity {
            try await client.examine(place.mailbox)
          }
          // Made anew meanwhile: the UID is another message's, or nobody's.
          guard client.uidValidity == place.uidValidity else { throw IMAPError.notFound }
          try await Self.read(client.fetchBody(place.uid, section), encoding, into: handoff)
        }
        handoff.finish(nil)
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
