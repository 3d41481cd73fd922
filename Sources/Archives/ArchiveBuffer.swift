/// The bytes of an archive that were received and are not done with.
struct ArchiveBuffer: Sendable {
  private(set) var bytes: [UInt8] = []
  /// Where `bytes` begins in the archive.
  private(set) var base: Int64 = 0
  /// How many of `bytes` are done with.
  private(set) var start = 0
  /// Whether nothing follows.
  var isFinished = false

  init(base: Int64) { self.base = base }

  /// Where the first byte that is not done with stands in the archive.
  var position: Int64 { base + Int64(start) }

  /// How many bytes are not done with.
  var available: Int { bytes.count - start }

  /// Takes bytes; those done with are forgotten, and how many there were is told, since places in `bytes` move by it.
  mutating func receive(_ more: [UInt8]) -> Int {
    let dropped = start
    if start == bytes.count {
      bytes = more
    } else {
      bytes.removeSubrange(..<start)
      bytes.append(contentsOf: more)
    }
    base += Int64(start)
    start = 0
    return dropped
  }

  /// All before `place` of `bytes` is done with.
  mutating func finish(upTo place: Int) { start = min(max(place, start), bytes.count) }
}
