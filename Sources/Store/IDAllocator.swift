import Model
import Postgres
import Synchronization

/// Hands out row ids from blocks of the sequence `row_id`, so that a batch needs no round trip for them.
final class IDAllocator: Sendable {
  /// The increment of the sequence.
  static let blockSize: Int64 = 1000

  private let free = Mutex<Range<Int64>>(0..<0)

  /// `count` ids, ascending, not always contiguous; above those of every call that had ended before.
  func take(_ count: Int, from pool: PostgresPool) async throws -> [Int64] {
    try await take(count) { try await pool.query($0) }
  }

  /// `count` ids, asked for within the transaction of `connection` if none are left.
  ///
  /// A second connection out of the pool would be waited for while the first is held: enough callers
  /// that do so wait for one another.
  func take(_ count: Int, on connection: PostgresConnection) async throws -> [Int64] {
    try await take(count) { try await connection.query($0) }
  }

  private func take(
    _ count: Int,
    query: (SQL) async throws -> PostgresRows
  ) async throws -> [Int64] {
    var taken: [Int64] = []
    taken.reserveCapacity(count)
    while true {
      let missing = count - taken.count
      taken += free.withLock { free in
        let part = free.prefix(missing)
        free = part.endIndex..<free.endIndex
        return Array(part)
      }
      guard taken.count < count else { return taken }
      let blocks = (count - taken.count + Int(Self.blockSize) - 1) / Int(Self.blockSize)
      let rows = try await query(
        "select nextval('row_id') from generate_series(1, \(Int64(blocks)))"
      )
      for row in 0..<rows.count {
        let last = try rows.int64(row, 0)
        let block = (last - Self.blockSize + 1)..<(last + 1)
        let wanted = block.prefix(count - taken.count)
        taken += wanted
        // A call that was overtaken drops its rest, or a later one would take ids below those given out.
        free.withLock { free in
          if free.upperBound < block.endIndex { free = wanted.endIndex..<block.endIndex }
        }
      }
      taken.sort()
    }
  }

  /// One id.
  func take(from pool: PostgresPool) async throws -> Int64 {
    try await take(1, from: pool)[0]
  }
}
