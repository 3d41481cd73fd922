import Bytes
package import Model
import Postgres

/// Bounds on raw messages kept here.
package struct BlobLimits: Sendable {
  /// How many raw bytes a chunk holds: 256 KiB.
  package static let chunkSize = 256 * 1024
  /// How long the only chunk of a blob may be, compressed, to stand in the blob's own row: 16 KiB.
  static let inlineSize = 16 * 1024
}

extension Store {
  /// How long a blob is; nil where there is none.
  package func blobSize(
    _ id: ID<Blob>,
    of account: ID<Account>
  ) async throws(ServiceError) -> Int64? {
    try await attempt {
      let rows = try await pool.query(
        "select size from blob where account_id = \(account.rawValue) and id = \(id.rawValue)"
      )
      return rows.count == 1 ? try rows.int64(0, 0) : nil
    }
  }

  /// The raw bytes of one chunk; nil past the last.
  package func blobChunk(
    _ position: Int,
    of id: ID<Blob>,
    of account: ID<Account>
  ) async throws(ServiceError) -> [UInt8]? {
    try await attempt {
      let rows = try await pool.query(
        position == 0
          ? """
          select coalesce(b.data, c.data) from blob b left join blob_chunk c
            on c.account_id = b.account_id and c.blob_id = b.id and c.position = 0
          where b.account_id = \(account.rawValue) and b.id = \(id.rawValue)
          """
          : """
          select data from blob_chunk where account_id = \(account.rawValue)
            and blob_id = \(id.rawValue) and position = \(Int32(clamping: position))
          """
      )
      guard rows.count == 1, !rows.isNull(0, 0) else { return nil }
      return try Compression.decompress(rows.bytes(0, 0), limit: BlobLimits.chunkSize)
    }
  }

  /// Where the leaves of the message in a blob stand in it, in their order; none for a blob from before they were kept.
  package func leafRanges(
    of id: ID<Blob>,
    of account: ID<Account>
  ) async throws(ServiceError) -> [Range<Int>] {
    try await attempt {
      let rows = try await pool.query(
        """
        select leaf_bounds from blob
        where account_id = \(account.rawValue) and id = \(id.rawValue)
        """
      )
      guard rows.count == 1 else { throw ServiceError.notFound("blob") }
      let bounds = try rows.int64Array(0, 0).map(Int.init)
      return stride(from: 0, to: bounds.count - 1, by: 2).map {
        bounds[$0]..<max(bounds[$0], bounds[$0 + 1])
      }
    }
  }

  /// All the raw bytes of a blob.
  package func blob(
    _ id: ID<Blob>,
    of account: ID<Account>
  ) async throws(ServiceError) -> [UInt8] {
    var bytes: [UInt8] = []
    var position = 0
    while let chunk = try await blobChunk(position, of: id, of: account) {
      bytes += chunk
      position += 1
    }
    guard position > 0 else { throw ServiceError.notFound("blob") }
    return bytes
  }
}
