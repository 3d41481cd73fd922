import Synchronization

/// Makes the ids by which a request's answer and its log lines are found: 16 hexadecimal digits.
///
/// A counter from a random start, mixed so that neighbours look unlike: unique in a process for 2⁶⁴
/// requests, with no system call each.
final class RequestIDs: Sendable {
  private let counter: Atomic<UInt64>

  init() { counter = Atomic(UInt64.random(in: 0 ... .max)) }

  /// The next id.
  func next() -> String {
    let number = counter.wrappingAdd(1, ordering: .relaxed).newValue
    let mixed = (number ^ number >> 31) &* 0x9E37_79B9_7F4A_7C15
    let digits = String(mixed, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
