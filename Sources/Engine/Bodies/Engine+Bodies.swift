import Bytes
import MailProtocols
import MailTransport
import MIME
package import Model
import Net
import Store
import Synchronization

/// What is to be read: a message kept here, or one on the server.
private struct Whereabouts {
  var message: ID<Message>
  var blob: ID<Blob>?
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
    var length: Int64?
    if let blob = place.blob { length = try await store.blobSize(blob, of: account) }
    return BodySource(
      contentType: "message/rfc822",
      charset: nil,
      filename: "\(id).eml",
      disposition: "attachment",
      length: length.map { Int($0) },
      // A rule may put other bytes in the place of those that are kept.
      etag: place.blob.map { "\"\(id)-\($0)-raw\"" } ?? "\"\(id)-raw\"",
      produce: produce
    )
  }

  /// The header of a message as it was received, or all of a message that is kept here.
  func openHeader(
    _ id: ID<Message>,
    of account: ID<Account>
  ) async throws(ServiceError) -> BodySource {
    let place = try await whereabouts(id, account)
    return BodySource(
      contentType: "message/rfc822",
      length: nil,
      etag: "",
      produce: producer(place, account, place.blob == nil ? .header : .message)
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
      etag: place.blob.map { "\"\(id)-\($0)-\(partID)\"" } ?? "\"\(id)-\(partID)\"",
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

  /// Reads a section from the server, unless it was read a moment ago, or the whole message kept here.
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
    let key = BodyCache.Key(message: place.message, section: section, encoding: encoding)
    return { [self] sink in
      if let known = services.bodies.find(key, of: account) {
        if !known.isEmpty { try await sink(known) }
        return
      }
      let recording = services.bodies.recording()
      do {
        try await backend(of: account).read(place.message, section, decoding: encoding) { piece in
          recording.append(piece)
          try await sink(piece)
        }
      } catch let error as IMAPError {
        throw serviceError(error, account)  // What the sink throws stays as it is.
      }
      if let whole = recording.whole { services.bodies.keep(whole, as: key, of: account) }
    }
  }
}
