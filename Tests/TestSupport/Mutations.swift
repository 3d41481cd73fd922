import Foundation

/// Good inputs made bad at random, for what must survive anything.
///
/// A normal test run tries a few hundred, the same each time. `make fuzz` sets
/// `RESTANTE_FUZZ_SECONDS`, and then inputs are new each time, and each is written to
/// `/tmp/restante-mutation-NAME.bin` before it is tried, so that it is there after a crash.
package enum Mutations {
  /// Calls `body` with mutations of `inputs`, one after the other.
  ///
  /// `body` fails the test by itself; that it returns at all is what is tested.
  package static func run(
    _ name: String,
    of inputs: [[UInt8]],
    count: Int = 300,
    _ body: ([UInt8]) throws -> Void
  ) throws {
    precondition(!inputs.isEmpty)
    let seconds = ProcessInfo.processInfo.environment["RESTANTE_FUZZ_SECONDS"].flatMap(Int.init)
    var random = SplitMix(state: seconds == nil ? 1 : UInt64.random(in: .min ... .max))
    let deadline = ContinuousClock.now + .seconds(seconds ?? 0)
    var tried = 0
    while seconds == nil ? tried < count : ContinuousClock.now < deadline {
      let input = mutate(inputs, &random)
      if seconds != nil {
        try Data(input).write(to: URL(fileURLWithPath: "/tmp/restante-mutation-\(name).bin"))
      }
      try body(input)
      tried += 1
    }
  }

  private static func mutate(_ inputs: [[UInt8]], _ random: inout SplitMix) -> [UInt8] {
    var bytes = inputs[Int.random(in: inputs.indices, using: &random)]
    for _ in 0...Int.random(in: 0..<6, using: &random) {
      let place = Int.random(in: 0...bytes.count, using: &random)
      switch Int.random(in: 0..<7, using: &random) {
      case 0 where place < bytes.count:
        bytes[place] = UInt8.random(in: .min ... .max, using: &random)
      case 1 where place < bytes.count: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 2: bytes.insert(interesting.randomElement(using: &random) ?? 0, at: place)
      case 3: bytes.removeSubrange(place..<min(bytes.count, place + 1 + place % 5))
      case 4: bytes.removeSubrange(place...)
      case 5:
        let other = inputs[Int.random(in: inputs.indices, using: &random)]
        bytes.insert(contentsOf: other.suffix(min(other.count, 40)), at: place)
      default: bytes.insert(contentsOf: bytes[place...].prefix(30), at: place)
      }
    }
    return bytes
  }

  /// Bytes on which grammars turn.
  private static let interesting: [UInt8] = [
    0x00, 0x09, 0x0A, 0x0D, 0x20, 0x22, 0x25, 0x28, 0x29, 0x2A, 0x2C, 0x2D, 0x2E, 0x2F, 0x30, 0x39,
    0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x3F, 0x40, 0x5B, 0x5C, 0x5D, 0x7B, 0x7D, 0x7F, 0x80, 0xC3, 0xFF,
  ]
}

/// A small random generator with a seed (Steele, Lea and Flood, 2014).
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }
}
