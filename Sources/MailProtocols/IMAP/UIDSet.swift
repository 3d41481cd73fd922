import Bytes

/// A set of UIDs, kept as ranges in ascending order.
///
/// On the wire (RFC 3501, `sequence-set`): `1:5,9,12:*`. A range that ends in `*` always matches
/// the last message, even where that lies below its start, so answers to it are to be filtered.
package struct UIDSet: Hashable, Sendable {
  /// The ranges, ascending, neither touching nor overlapping; an upper bound of `UInt32.max` is `*`.
  package private(set) var ranges: [ClosedRange<UInt32>] = []

  /// The empty set.
  package init() {}

  /// One message.
  package init(_ uid: UID) { ranges = [uid.value...uid.value] }

  /// All messages of `range`.
  package init(_ range: ClosedRange<UID>) {
    ranges = [range.lowerBound.value...range.upperBound.value]
  }

  /// All messages from `uid` on: `uid:*`.
  package init(from uid: UID) { ranges = [uid.value...UInt32.max] }

  /// The messages of `uids`, in whatever order they come.
  package init(_ uids: some Sequence<UID>) {
    for uid in uids.sorted() { append(uid.value...uid.value) }
  }

  /// Every message: `1:*`.
  package static var all: UIDSet { UIDSet(from: UID(1)) }

  /// Whether no message is in the set.
  package var isEmpty: Bool { ranges.isEmpty }

  /// How many UIDs the set names, whether or not messages have them.
  package var count: Int { ranges.reduce(0) { $0 + Int($1.upperBound - $1.lowerBound) + 1 } }

  /// The least and the greatest UID.
  package var bounds: ClosedRange<UID>? {
    guard let first = ranges.first, let last = ranges.last else { return nil }
    return UID(first.lowerBound)...UID(last.upperBound)
  }

  /// Whether `uid` is in the set.
  package func contains(_ uid: UID) -> Bool {
    var low = 0
    var high = ranges.count
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound < uid.value { low = middle + 1 } else { high = middle }
    }
    return low < ranges.count && ranges[low].contains(uid.value)
  }

  /// Adds the messages of `range`, wherever it lies.
  package mutating func insert(_ range: ClosedRange<UInt32>) {
    if let last = ranges.last, range.lowerBound < last.lowerBound {
      let all = (ranges + [range]).sorted { $0.lowerBound < $1.lowerBound }
      ranges = []
      for each in all { append(each) }
    } else {
      append(range)
    }
  }

  /// Adds `uid`.
  package mutating func insert(_ uid: UID) { insert(uid.value...uid.value) }

  /// Adds a range that starts at or after the last one.
  private mutating func append(_ range: ClosedRange<UInt32>) {
    guard let last = ranges.last, last.upperBound == .max || range.lowerBound <= last.upperBound + 1
    else {
      ranges.append(range)
      return
    }
    ranges[ranges.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
  }

  /// The UIDs in ascending order; a set that ends in `*` gives them up to the greatest number.
  package var uids: some Sequence<UID> { ranges.lazy.joined().lazy.map { UID($0) } }

  /// The set cut into sets of at most `size` UIDs each, in ascending order or newest first.
  package func chunks(of size: Int, newestFirst: Bool = false) -> [UIDSet] {
    precondition(size > 0, "a chunk holds at least one UID")
    var chunks: [UIDSet] = []
    var chunk = UIDSet()
    var room = size
    for range in newestFirst ? ranges.reversed() : ranges {
      var rest: ClosedRange<UInt32>? = range
      while let left = rest {
        let taken = UInt32(min(room, Int(left.upperBound - left.lowerBound) + 1))
        let (piece, remainder) = Self.split(left, taking: taken, fromTop: newestFirst)
        chunk.insert(piece)
        rest = remainder
        room -= Int(taken)
        if room == 0 {
          chunks.append(chunk)
          chunk = UIDSet()
          room = size
        }
      }
    }
    if !chunk.isEmpty { chunks.append(chunk) }
    return chunks
  }

  /// The first `size` UIDs, ascending or newest first, and all others.
  package func split(after size: Int, newestFirst: Bool = false) -> (UIDSet, UIDSet) {
    guard size > 0 else { return (UIDSet(), self) }
    var first = UIDSet()
    var rest = UIDSet()
    var room = size
    for range in newestFirst ? ranges.reversed() : ranges {
      let count = Int(range.upperBound - range.lowerBound) + 1
      let taken = min(room, count)
      guard taken > 0 else {
        rest.insert(range)
        continue
      }
      let (piece, remainder) = Self.split(range, taking: UInt32(taken), fromTop: newestFirst)
      first.insert(piece)
      if let remainder { rest.insert(remainder) }
      room -= taken
    }
    return (first, rest)
  }

  private static func split(
    _ range: ClosedRange<UInt32>,
    taking count: UInt32,
    fromTop: Bool
  ) -> (ClosedRange<UInt32>, ClosedRange<UInt32>?) {
    if count - 1 == range.upperBound - range.lowerBound { return (range, nil) }
    if fromTop {
      let cut = range.upperBound - count
      return (cut + 1...range.upperBound, range.lowerBound...cut)
    }
    let cut = range.lowerBound + count
    return (range.lowerBound...cut - 1, cut...range.upperBound)
  }

  /// Appends the wire form to `output`.
  package func write(to output: inout [UInt8]) {
    for (index, range) in ranges.enumerated() {
      if index > 0 { output.append(0x2C) }
      output.append(decimal: range.lowerBound)
      guard range.lowerBound != range.upperBound else { continue }
      output.append(0x3A)
      if range.upperBound == .max {
        output.append(0x2A)
      } else {
        output.append(decimal: range.upperBound)
      }
    }
  }
}

extension UIDSet: CustomStringConvertible {
  package var description: String {
    var output: [UInt8] = []
    write(to: &output)
    return String(decoding: output, as: UTF8.self)
  }
}

extension ByteReader {
  /// Reads `sequence-set` (RFC 3501 §9) with its ranges in the order and direction written.
  mutating func requireOrderedRanges() throws(IMAPSyntaxError) -> [(first: UInt32, last: UInt32)] {
    var ranges: [(first: UInt32, last: UInt32)] = []
    repeat {
      let first = try requireSequenceNumber()
      let last = consume(0x3A) ? try requireSequenceNumber() : first
      ranges.append((first, last))
    } while consume(0x2C)
    return ranges
  }

  /// Reads `sequence-set` (RFC 3501 §9) as a set.
  mutating func requireUIDSet() throws(IMAPSyntaxError) -> UIDSet {
    var set = UIDSet()
    for (first, last) in try requireOrderedRanges() {
      set.insert(min(first, last)...max(first, last))
    }
    return set
  }

  private mutating func requireSequenceNumber() throws(IMAPSyntaxError) -> UInt32 {
    if consume(0x2A) { return .max }
    return try requireNumber32("sequence-set")
  }
}
