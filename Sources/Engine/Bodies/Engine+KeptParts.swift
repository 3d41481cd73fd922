import MIME
import Model
import Store

/// Parts of messages that are kept here.
extension Engine {
  /// Reads the leaf at `index` chunk by chunk.
  func keptPart(
    _ part: StoredPart,
    _ index: Int,
    of blob: ID<Blob>,
    _ account: ID<Account>
  ) -> Produce {
    { [self] sink in
      let ranges = try await store.leafRanges(of: blob, of: account)
      guard index < ranges.count else {
        return try await parsedPart(part.partID, of: blob, account, to: sink)
      }
      let range = ranges[index]
      var decoder = TransferDecoder(part.encoding)
      var start = range.lowerBound
      while start < range.upperBound {
        let position = start / BlobLimits.chunkSize
        let base = position * BlobLimits.chunkSize
        // It may have reached the server meanwhile, and what was kept of it is gone.
        guard let chunk = try await store.blobChunk(position, of: blob, of: account),
          start - base < chunk.count
        else { throw ServiceError.notFound("part") }
        let end = min(range.upperBound - base, chunk.count)
        var decoded: [UInt8] = []
        decoder.receive(chunk.span.extracting(start - base..<end), into: &decoded)
        if !decoded.isEmpty { try await sink(decoded) }
        start = base + end
      }
      var rest: [UInt8] = []
      decoder.finish(into: &rest)
      if !rest.isEmpty { try await sink(rest) }
    }
  }

  /// One part of a message that was kept before it was noted where its parts stand.
  private func parsedPart(
    _ partID: String,
    of blob: ID<Blob>,
    _ account: ID<Account>,
    to sink: BodySink
  ) async throws {
    let message = MessageParser.parse(try await store.blob(blob, of: account))
    guard let part = message.part(at: partID) else { throw ServiceError.notFound("part") }
    try await sink(part.decodedContent().content)
  }
}
