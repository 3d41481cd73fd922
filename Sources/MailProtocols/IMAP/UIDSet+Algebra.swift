extension UIDSet {
  /// The UIDs that are in both sets.
  package func intersection(_ other: UIDSet) -> UIDSet {
    var result = UIDSet()
    var index = 0
    for range in ranges {
      while index < other.ranges.count, other.ranges[index].upperBound < range.lowerBound {
        index += 1
      }
      var next = index
      while next < other.ranges.count, other.ranges[next].lowerBound <= range.upperBound {
        result.insert(range.clamped(to: other.ranges[next]))
        next += 1
      }
    }
    return result
  }

  /// The UIDs that are not in `other`.
  package func subtracting(_ other: UIDSet) -> UIDSet {
    var result = UIDSet()
    var index = 0
    for range in ranges {
      while index < other.ranges.count, other.ranges[index].upperBound < range.lowerBound {
        index += 1
      }
      var start = range.lowerBound
      var isCovered = false
      var next = index
      while next < other.ranges.count, other.ranges[next].lowerBound <= range.upperBound {
        let hole = other.ranges[next]
        if hole.lowerBound > start { result.insert(start...hole.lowerBound - 1) }
        guard hole.upperBound < range.upperBound else {
          isCovered = true
          break
        }
        start = hole.upperBound + 1
        next += 1
      }
      if !isCovered { result.insert(start...range.upperBound) }
    }
    return result
  }

  /// Adds all UIDs of `other`.
  package mutating func formUnion(_ other: UIDSet) { self = UIDSet(unionOf: [self, other]) }

  /// All UIDs of `sets`; however many they are, their ranges are sorted once.
  package init(unionOf sets: [UIDSet]) {
    self.init()
    let ranges = sets.flatMap(\.ranges).sorted { $0.lowerBound < $1.lowerBound }
    for range in ranges { insert(range) }
  }
}
