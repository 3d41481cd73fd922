import Bytes
import Crypto
package import Model
import Postgres

/// A raw message, deflated chunk by chunk and ready to be stored.
///
/// Made before a transaction begins, so that no lock waits for zlib.
package struct RawBlob: Sendable {
  let digest: [UInt8]
  /// How many bytes the raw message has.
  package let size: Int64
  /// First byte and end of each leaf of the message, in their order.
  let leafBounds: [Int64]
  let chunks: [[UInt8]]

  /// The blob of `bytes`, in which the leaves of the message stand at `leaves`.
  package init(_ bytes: [UInt8], leaves: [Range<Int>] = []) throws(ServiceError) {
    digest = Digest.sha256(bytes.span)
    size = Int64(bytes.count)
    leafBounds = leaves.flatMap { [Int64($0.lowerBound), Int64($0.upperBound)] }
    var chunks: [[UInt8]] = []
    var start = 0
    do throws(CompressionError) {
      repeat {
        let end = min(start + BlobLimits.chunkSize, bytes.count)
        chunks.append(try Compression.deflate(bytes.span.extracting(start..<end)))
        start = end
      } while start < bytes.count
    } catch {
      throw ServiceError(.internalError, "An internal error occurred.", cause: "\(error)")
    }
    self.chunks = chunks
  }
}

extension Store {
  /// How many bytes of chunks are handed to the connection before it is waited for.
  private static let blobSlice = 1024 * 1024

  /// Stores blobs under the ids given, within the caller's transaction.
  func insertBlobs(
    _ blobs: [(id: Int64, blob: RawBlob)],
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    var rows = CopyWriter(capacity: blobs.count * 96)
    for (id, blob) in blobs {
      rows.beginRow(columns: 5)
      rows.write(account.rawValue)
      rows.write(id)
      rows.write(blob.digest)
      rows.write(blob.size)
      rows.write(blob.leafBounds)
    }
    _ = try await connection.copyIn(
      "copy blob (account_id, id, digest, size, leaf_bounds) from stdin (format binary)",
      rows: rows
    )
    var chunks = blobs.lazy.flatMap { id, blob in
      blob.chunks.enumerated().lazy.map { (id: id, position: $0.offset, data: $0.element) }
    }.makeIterator()
    _ = try await connection.copyIn(
      "copy blob_chunk (account_id, blob_id, position, data) from stdin (format binary)"
    ) { rows in
      while let chunk = chunks.next() {
        rows.beginRow(columns: 4)
        rows.write(account.rawValue)
        rows.write(chunk.id)
        rows.write(Int32(clamping: chunk.position))
        rows.write(bytes: chunk.data.span)
        if rows.count >= Self.blobSlice { return true }
      }
      return false
    }
  }
}
