import Bytes

/// A way to hold a value against keys: a match type with its comparator (RFC 5228 §2.7.1).
protocol MatchMethod: AnyObject, Sendable {
  /// Whether how many values there are is what counts (RFC 5231 §4.2).
  var countsValues: Bool { get }

  /// Whether the value matches one of the keys.
  func matches(_ value: Text, _ keys: [Text], _ run: Run) throws(RunStop) -> Bool
}

extension MatchMethod {
  var countsValues: Bool { false }
}

/// A match type, a comparator and keys.
struct Matcher: Sendable {
  let method: any MatchMethod
  let keys: Keys
  let countsValues: Bool
  /// The keys where they are known and each value is looked at by itself: then nothing need be kept
  /// from one value to the next.
  let simpleKeys: [Text]?

  init(method: any MatchMethod, keys: Keys) {
    self.method = method
    self.keys = keys
    countsValues = method.countsValues
    if case .fixed(let texts) = keys, !method.countsValues {
      simpleKeys = texts
    } else {
      simpleKeys = nil
    }
  }

  /// Begins to hold values against the keys.
  @inline(__always)
  func begin(_ run: Run) -> Matching { Matching(self, run) }
}

/// One test's values as they are held against the keys, one after the other.
struct Matching {
  private let matcher: Matcher
  private let keys: [Text]
  private let run: Run
  private var count = 0

  init(_ matcher: Matcher, _ run: Run) {
    self.matcher = matcher
    self.run = run
    keys = matcher.keys.texts(run)
  }

  /// Whether the test holds with this value, so that no other need be looked at.
  @inline(__always)
  mutating func offer(_ value: Text) throws(RunStop) -> Bool {
    if matcher.countsValues {
      count += 1
      return false
    }
    return try matcher.method.matches(value, keys, run)
  }

  /// Like `offer`, with a part of a value that may not have it: it counts all the same (RFC 5231 §4.2).
  @inline(__always)
  mutating func offer(_ part: Text?) throws(RunStop) -> Bool {
    guard let part else {
      count += 1
      return false
    }
    return try offer(part)
  }

  /// Whether only the number of values counts.
  var countsValues: Bool { matcher.countsValues }

  /// Whether the test holds with all the values that were offered.
  func finish() throws(RunStop) -> Bool {
    guard matcher.countsValues else { return false }
    var digits: [UInt8] = []
    digits.append(decimal: count)
    return try matcher.method.matches(Text(digits), keys, run)
  }
}
