import Bytes

/// Bytes received and not yet read; offsets count from the first of them.
///
/// It holds no memory while it is empty, and hands a whole buffer on without copying where it can.
struct InputQueue: Sendable {
  private var bytes: [UInt8] = []
  private var start = 0

  /// How many bytes wait.
  var count: Int { bytes.count - start }
  var isEmpty: Bool { bytes.count == start }

  /// The byte at `offset`; nil where it has not come.
  subscript(_ offset: Int) -> UInt8? {
    offset < count ? bytes[start + offset] : nil
  }

  mutating func append(_ more: [UInt8]) {
    if isEmpty {
      bytes = more
      start = 0
      return
    }
    if start > 0 {
      bytes.removeFirst(start)
      start = 0
    }
    bytes.append(contentsOf: more)
  }

  /// Where the next line feed is, at or after `offset`.
  func firstLineFeed(from offset: Int) -> Int? {
    bytes.span.firstIndex(of: .lf, from: start + offset).map { $0 - start }
  }

  mutating func skip(_ count: Int) {
    start = min(start + count, bytes.count)
    if isEmpty { self = InputQueue() }
  }

  /// Removes and returns the first bytes, at most `limit`; nil where there are none.
  mutating func take(upTo limit: Int) -> [UInt8]? {
    isEmpty ? nil : take(exactly: min(limit, count))
  }

  /// Removes and returns exactly `wanted` bytes; nil where there are fewer.
  mutating func take(exactly wanted: Int) -> [UInt8]? {
    guard wanted <= count else { return nil }
    if start == 0, wanted == bytes.count {
      let whole = bytes
      bytes = []
      return whole
    }
    let taken = Array(bytes[start..<(start + wanted)])
    skip(wanted)
    return taken
  }
}
