/// A small random generator with a seed (Steele, Lea and Flood, 2014), and what tests draw with it.
package struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }

  /// A number of a range.
  package mutating func number(_ range: ClosedRange<Int>) -> Int {
    Int.random(in: range, using: &self)
  }

  /// Whether something of this probability in percent happens.
  package mutating func chance(_ percent: Int) -> Bool { number(1...100) <= percent }

  /// One of some values, of which there is at least one.
  package mutating func pick<Value>(_ values: [Value]) -> Value {
    values[number(0...values.count - 1)]
  }

  /// Some of these values, perhaps repeated.
  package mutating func several<Value>(_ values: [Value], upTo most: Int) -> [Value] {
    (0..<number(1...most)).map { _ in pick(values) }
  }
}
