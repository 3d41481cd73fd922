/// `:is`, `:contains` and `:matches` (RFC 5228 §2.7.1), with `:comparator` (§2.7.3).
extension ScriptExtension {
  static let coreMatching = ScriptExtension("match-types") { core in
    core.tags = [
      (.comparator, TagDefinition("comparator", .string, group: TagGroup.comparator))
    ]
    core.matchTypes = [
      MatchTypeDefinition(name: "is") { _, comparator, _, _ in IsMatch(comparator: comparator) },
      MatchTypeDefinition(name: "contains", needsSubstrings: true) { _, comparator, keys, _ in
        ContainsMatch(comparator, keys)
      },
      MatchTypeDefinition(name: "matches", needsSubstrings: true) { _, comparator, keys, _ in
        WildcardMatch(comparator, keys)
      },
    ]
  }

  /// The comparators that need no `require`, which may be required all the same (RFC 5228 §2.7.3).
  static let octet = ScriptExtension("comparator-i;octet")
  static let asciiCasemap = ScriptExtension("comparator-i;ascii-casemap")
  /// Numbers (RFC 4790 §9.1, RFC 5228 §2.7.3).
  static let asciiNumeric = ScriptExtension("comparator-i;ascii-numeric")
}

/// `:is`: the value equals a key.
private final class IsMatch: MatchMethod {
  private let comparator: Comparator

  init(comparator: Comparator) { self.comparator = comparator }

  func matches(_ value: Text, _ keys: [Text], _ run: Run) -> Bool {
    for key in keys where comparator.isEqual(value, key) { return true }
    return false
  }
}

/// `:contains`: a key stands in the value.
private final class ContainsMatch: MatchMethod {
  private let comparator: Comparator
  /// The searches of keys that are known beforehand.
  private let searches: [ByteSearch]?

  init(_ comparator: Comparator, _ keys: Keys) {
    self.comparator = comparator
    if case .fixed(let texts) = keys {
      searches = texts.map { ByteSearch(comparator.form($0)) }
    } else {
      searches = nil
    }
  }

  func matches(_ value: Text, _ keys: [Text], _ run: Run) throws(RunStop) -> Bool {
    let bytes = comparator.form(value)
    var steps = run.limits.matchSteps - run.matchSteps
    let before = steps
    defer { run.matchSteps += before - steps }
    var isFound = false
    if let searches {
      for search in searches {
        isFound = search.first(in: bytes.span, steps: &steps) != nil
        if isFound { break }
      }
    } else {
      for key in keys {
        isFound = ByteSearch(comparator.form(key)).first(in: bytes.span, steps: &steps) != nil
        if isFound { break }
      }
    }
    guard steps > 0 else { throw run.tooManyMatchSteps }
    return isFound
  }
}

/// `:matches`: the value matches a pattern of `*` and `?`.
private final class WildcardMatch: MatchMethod {
  private let comparator: Comparator
  private let patterns: [WildcardPattern]?

  init(_ comparator: Comparator, _ keys: Keys) {
    self.comparator = comparator
    if case .fixed(let texts) = keys {
      patterns = texts.map { WildcardPattern(comparator.form($0)) }
    } else {
      patterns = nil
    }
  }

  func matches(_ value: Text, _ keys: [Text], _ run: Run) throws(RunStop) -> Bool {
    if let patterns {
      for pattern in patterns where try matches(value, pattern, run) { return true }
      return false
    }
    for key in keys where try matches(value, WildcardPattern(comparator.form(key)), run) {
      return true
    }
    return false
  }

  private func matches(
    _ value: Text,
    _ pattern: WildcardPattern,
    _ run: Run
  ) throws(RunStop) -> Bool {
    var steps = run.limits.matchSteps - run.matchSteps
    let before = steps
    let form = comparator.form(value)
    let isMatch = pattern.matches(form.span, steps: &steps)
    run.matchSteps += before - steps
    guard steps > 0 else { throw run.tooManyMatchSteps }
    guard isMatch else { return false }
    if run.keepsMatches {
      run.matched =
        [value.bytes]
        + pattern.wildcards(in: form.span).map { range in
          [UInt8](value.bytes[range])
        }
    }
    return true
  }
}

extension Run {
  /// What ends a run whose patterns cost too much.
  fileprivate var tooManyMatchSteps: RunStop {
    RunStop(at: place, "':contains' and ':matches' cost more than \(limits.matchSteps) comparisons")
  }
}
