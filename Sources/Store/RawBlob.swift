package import Bytes
import Crypto
package import Model
import Postgres

/// A raw message, compressed chunk by chunk and ready to be stored.
///
/// Made before a transaction begins, so that no lock waits for it.
package struct RawBlob: Sendable {
  package let digest: [UInt8]
  /// How many bytes the raw message has.
  package let size: Int64
  /// First byte and end of each leaf of the message, in their order.
  let leafBounds: [Int64]
  let chunks: [[UInt8]]

  /// The blob of `bytes`, in which the leaves of the message stand at `leaves`.
  ///
  /// Whoever has their SHA-256 digest already gives it.
  package init(
    _ bytes: [UInt8],
    digest: [UInt8]? = nil,
    leaves: [Range<Int>] = [],
    by compressors: Compressors
  ) throws(ServiceError) {
    self.digest = digest ?? Digest.sha256(bytes.span)
    size = Int64(bytes.count)
    leafBounds = leaves.flatMap { [Int64($0.lowerBound), Int64($0.upperBound)] }
    var chunks: [[UInt8]] = []
    var start = 0
    do throws(CompressionError) {
      repeat {
        let end = min(start + BlobLimits.chunkSize, bytes.count)
        chunks.append(try compressors.compress(bytes.span.extracting(start..<end)))
        start = end
      } while start < bytes.count
    } catch {
      throw ServiceError(.internalError, "An internal error occurred.", cause: "\(error)")
    }
    self.chunks = chunks
  }
}

extension RawBlob {
  /// Whether the bytes stand in the row of the blob.
  fileprivate var isInline: Bool {
    chunks.count == 1 && chunks[0].count <= BlobLimits.inlineSize
  }

  private static let columns: [(column: String, type: PostgresType)] = [
    ("account_id", .int8), ("id", .int8), ("digest", .bytea), ("size", .int8),
    ("leaf_bounds", .int8Array), ("data", .bytea),
  ]

  /// The rows of `blobs` under the ids given, without what is too long for them.
  static func rows(_ blobs: [(id: Int64, blob: RawBlob)], of account: ID<Account>) -> BulkRows {
    let bytes = blobs.lazy.map { $0.blob.isInline ? $0.blob.chunks[0].count : 0 }.reduce(0, +)
    var rows = BulkRows("blob", columns, capacity: blobs.count * 112 + bytes)
    for (id, blob) in blobs {
      rows.add { row in
        row.write(account.rawValue)
        row.write(id)
        row.write(blob.digest)
        row.write(blob.size)
        row.write(blob.leafBounds)
        row.write(blob.isInline ? blob.chunks[0] : nil)
      }
    }
    return rows
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
    _ = try await BulkRows.store([RawBlob.rows(blobs, of: account)], on: connection)
    try await insertChunks(of: blobs, account, on: connection)
  }

  /// Stores what of `blobs` is too long for their rows, which are there.
  func insertChunks(
    of blobs: [(id: Int64, blob: RawBlob)],
    _ account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    let blobs = blobs.filter { !$0.blob.isInline }
    guard !blobs.isEmpty else { return }
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
