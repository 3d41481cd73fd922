import Bytes

/// A pattern of `:matches` (RFC 5228 §2.7.1): `*` is any run of bytes, `?` any one, `\` quotes.
///
///     *project-?-*done   →   start-open segments "", "project-?-", end-anchored "done"
///
/// The pattern is cut at its stars. The first segment must stand at the start, the last at the end, and
/// each between them where it first comes behind the one before it. That first place is always good
/// enough, so that nothing is ever tried again: the work is bounded by the length of the text times that
/// of one segment, a segment without `?` is found by `memchr`, and every wildcard matches as little as
/// it can from the left, as RFC 5229 §3.2 wants it for `${1}`.
///
/// A byte is a character to `?`: RFC 5228 §2.7.1 says so for the comparators that there are.
struct WildcardPattern: Sendable {
  /// What stands between two stars.
  private struct Segment: Sendable {
    /// The bytes; nil for `?`.
    var bytes: [UInt8?] = []
    /// The search for it, where it holds no `?`.
    var search: ByteSearch?
  }

  private let segments: [Segment]

  init(_ pattern: [UInt8]) {
    var segments = [Segment()]
    var isQuoted = false
    for byte in pattern {
      let last = segments.count - 1
      if isQuoted {
        segments[last].bytes.append(byte)
        isQuoted = false
        continue
      }
      switch byte {
      case 0x5C: isQuoted = true
      case 0x2A: segments.append(Segment())
      case 0x3F: segments[last].bytes.append(nil)
      default: segments[last].bytes.append(byte)
      }
    }
    if isQuoted { segments[segments.count - 1].bytes.append(0x5C) }
    for index in segments.indices {
      let known = segments[index].bytes.compactMap(\.self)
      if known.count == segments[index].bytes.count { segments[index].search = ByteSearch(known) }
    }
    self.segments = segments
  }

  /// Whether all of `text` matches; each comparison costs a step, and without any left nothing matches.
  func matches(_ text: Span<UInt8>, steps: inout Int) -> Bool {
    locate(text, steps: &steps) { _, _ in }
  }

  /// What each wildcard matched in a text that matches, in their order.
  func wildcards(in text: Span<UInt8>) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    var steps = Int.max
    var end = 0
    _ = locate(text, steps: &steps) { index, start in
      if index > 0 { ranges.append(end..<max(start, end)) }
      for (offset, byte) in segments[index].bytes.enumerated() where byte == nil {
        ranges.append(start + offset..<start + offset + 1)
      }
      end = start + segments[index].bytes.count
    }
    return ranges
  }

  /// Finds where each segment stands and tells it; false where one does not.
  private func locate(
    _ text: Span<UInt8>,
    steps: inout Int,
    _ found: (_ segment: Int, _ start: Int) -> Void
  ) -> Bool {
    let first = segments[0]
    steps -= 1
    guard stands(first, in: text, at: 0, steps: &steps) else { return false }
    if segments.count == 1 {
      found(0, 0)
      return first.bytes.count == text.count
    }
    found(0, 0)
    var position = first.bytes.count
    for index in 1..<segments.count - 1 {
      guard let start = find(segments[index], in: text, from: position, steps: &steps) else {
        return false
      }
      found(index, start)
      position = start + segments[index].bytes.count
    }
    let last = segments.count - 1
    let start = text.count - segments[last].bytes.count
    guard start >= position, stands(segments[last], in: text, at: start, steps: &steps) else {
      return false
    }
    found(last, start)
    return true
  }

  private func find(
    _ segment: Segment,
    in text: Span<UInt8>,
    from start: Int,
    steps: inout Int
  ) -> Int? {
    if let search = segment.search {
      let found = search.first(in: text, from: start, steps: &steps)
      return steps > 0 ? found : nil
    }
    var position = start
    while position + segment.bytes.count <= text.count, steps > 0 {
      if stands(segment, in: text, at: position, steps: &steps) { return position }
      position += 1
    }
    return nil
  }

  private func stands(
    _ segment: Segment,
    in text: Span<UInt8>,
    at start: Int,
    steps: inout Int
  ) -> Bool {
    guard start >= 0, start + segment.bytes.count <= text.count else { return false }
    for (offset, wanted) in segment.bytes.enumerated() {
      if let wanted, text[start + offset] != wanted {
        steps -= offset + 1
        return false
      }
    }
    steps -= segment.bytes.count
    return true
  }
}
