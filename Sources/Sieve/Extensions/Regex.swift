import Bytes
import CPCRE2

/// `:regex` and `:quoteregex` (draft-ietf-sieve-regex), by PCRE2.
///
/// The draft asks for POSIX extended expressions, which take the longest of several matches at one place
/// where PCRE2 takes the first; only `${1}` and so on can tell. What PCRE2 adds to them is left in, but
/// `\C`, and every match has a limit of steps, so that no expression holds a run up.
extension ScriptExtension {
  static let regex = ScriptExtension("regex") { capability in
    capability.matchTypes = [
      MatchTypeDefinition(name: "regex", needsSubstrings: true) {
        tag,
        comparator,
        keys,
        compiler throws(Fault) in
        let limit = compiler.limits.regexBytes
        guard case .fixed(let texts) = keys else {
          return RegexMatch(comparator: comparator, patterns: nil)
        }
        var patterns: [RegexPattern] = []
        for text in texts {
          do throws(RegexPattern.Problem) {
            patterns.append(
              try RegexPattern(text.bytes, ignoresCase: comparator == .asciiCasemap, limit: limit)
            )
          } catch {
            throw Fault(
              at: tag.offset,
              "\"\(text.string)\" is no regular expression: \(error.message)"
            )
          }
        }
        return RegexMatch(comparator: comparator, patterns: patterns)
      }
    ]
    capability.setModifiers = [
      SetModifier(name: "quoteregex", precedence: 20) { bytes in
        bytes.flatMap { byte -> [UInt8] in
          switch byte {
          case 0x24, 0x28...0x2B, 0x2E, 0x3F, 0x5B...0x5E, 0x7B...0x7D: [0x5C, byte]
          default: [byte]
          }
        }
      }
    ]
  }
}

/// `:regex`: one of the expressions matches somewhere in the value.
private final class RegexMatch: MatchMethod {
  private let comparator: Comparator
  /// The expressions that are known beforehand.
  private let patterns: [RegexPattern]?

  init(comparator: Comparator, patterns: [RegexPattern]?) {
    self.comparator = comparator
    self.patterns = patterns
  }

  func matches(_ value: Text, _ keys: [Text], _ run: Run) throws(RunStop) -> Bool {
    if let patterns {
      for pattern in patterns where try matches(value, pattern, run) { return true }
      return false
    }
    for key in keys {
      let pattern: RegexPattern
      do throws(RegexPattern.Problem) {
        pattern = try RegexPattern(
          key.bytes,
          ignoresCase: comparator == .asciiCasemap,
          limit: run.limits.regexBytes
        )
      } catch {
        throw RunStop(at: run.place, "\"\(key.string)\" is no regular expression: \(error.message)")
      }
      if try matches(value, pattern, run) { return true }
    }
    return false
  }

  private func matches(
    _ value: Text,
    _ pattern: RegexPattern,
    _ run: Run
  ) throws(RunStop) -> Bool {
    run.regexMatches += 1
    guard run.regexMatches <= run.limits.regexMatches else {
      throw RunStop(
        at: run.place,
        "the script matches more than \(run.limits.regexMatches) expressions"
      )
    }
    let subject = value.bytes.prefix(run.limits.regexSubjectBytes)
    switch pattern.match(subject, steps: run.limits.regexSteps) {
    case .none: return false
    case .tooCostly: throw RunStop(at: run.place, "a regular expression costs too much")
    case .found(let ranges):
      if run.keepsMatches {
        run.matched = ranges.map { $0.map { [UInt8](subject[$0]) } ?? [] }
      }
      return true
    }
  }
}

/// A compiled regular expression.
///
/// Unchecked: PCRE2 only reads the compiled code; what a match writes to is made for each match.
@safe final class RegexPattern: @unchecked Sendable {
  /// Why text is no expression.
  struct Problem: Error {
    let message: String
  }

  /// What came of a match.
  enum Result {
    case none
    /// Where the whole and each group matched; nil for a group that did not.
    case found([Range<Int>?])
    case tooCostly
  }

  private let code: OpaquePointer

  init(_ pattern: [UInt8], ignoresCase: Bool, limit: Int) throws(Problem) {
    guard pattern.count <= limit else { throw Problem(message: "it is too long") }
    var options =
      UInt32(PCRE2_UTF) | UInt32(PCRE2_MATCH_INVALID_UTF) | UInt32(PCRE2_NEVER_BACKSLASH_C)
    if ignoresCase { options |= UInt32(PCRE2_CASELESS) }
    var error: Int32 = 0
    var offset = 0
    let code = unsafe pattern.withUnsafeBufferPointer { buffer in
      // An empty array has no address, and PCRE2 wants one.
      unsafe withUnsafePointer(to: 0 as UInt8) { none in
        unsafe pcre2_compile_8(
          buffer.baseAddress ?? none,
          buffer.count,
          options,
          &error,
          &offset,
          nil
        )
      }
    }
    guard let code = unsafe code else {
      throw Problem(message: Self.message(of: error))
    }
    unsafe self.code = code
  }

  deinit {
    unsafe pcre2_code_free_8(code)
  }

  private static func message(of error: Int32) -> String {
    var buffer = [UInt8](repeating: 0, count: 160)
    let count = unsafe buffer.withUnsafeMutableBufferPointer { buffer in
      unsafe pcre2_get_error_message_8(error, buffer.baseAddress, buffer.count)
    }
    return count > 0 ? [UInt8](buffer.prefix(Int(count))).text : "PCRE2 error \(error)"
  }

  /// Looks for the expression in `subject` in at most `steps` steps.
  func match(_ subject: ArraySlice<UInt8>, steps: UInt32) -> Result {
    guard let context = unsafe pcre2_match_context_create_8(nil),
      let data = unsafe pcre2_match_data_create_from_pattern_8(code, nil)
    else { return .tooCostly }
    defer {
      unsafe pcre2_match_data_free_8(data)
      unsafe pcre2_match_context_free_8(context)
    }
    let mostKilobytes: UInt32 = 4_096
    _ = unsafe pcre2_set_match_limit_8(context, steps)
    _ = unsafe pcre2_set_depth_limit_8(context, steps)
    _ = unsafe pcre2_set_heap_limit_8(context, mostKilobytes)
    let count = unsafe subject.withUnsafeBufferPointer { buffer in
      unsafe withUnsafePointer(to: 0 as UInt8) { none in
        unsafe pcre2_match_8(
          code,
          buffer.baseAddress ?? none,
          buffer.count,
          0,
          0,
          data,
          context
        )
      }
    }
    if count == PCRE2_ERROR_NOMATCH { return .none }
    guard count > 0 else { return .tooCostly }
    let ovector = unsafe pcre2_get_ovector_pointer_8(data)
    var ranges: [Range<Int>?] = []
    for index in 0..<Int(count) {
      guard let ovector = unsafe ovector else { break }
      let start = unsafe ovector[2 * index]
      let end = unsafe ovector[2 * index + 1]
      // A group that did not match has PCRE2_UNSET for both, which is the largest number there is.
      let isSet = start <= end && end <= subject.count
      ranges.append(isSet ? subject.startIndex + start..<subject.startIndex + end : nil)
    }
    return .found(ranges)
  }
}
