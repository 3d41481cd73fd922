import HTTP
import Testing

@Suite("HTTP/1.1 requests, mutilated", .timeLimit(.minutes(6)))
struct HTTPMutationTests {
  /// A linear congruential generator, so that every run makes the same bytes.
  private struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state ^ (state >> 29)
    }
  }

  /// Bytes that matter to the grammar, and some that may not occur.
  private static let spice = Array("\r\n :;,0aF/?\t\0\u{7F}".utf8) + [0x80, 0xFF]

  @Test(arguments: 1...20 as ClosedRange<UInt64>)
  func `no change of a byte makes pieces differ from the whole`(seed: UInt64) {
    var generator = Generator(state: seed)
    for fixture in RequestFixture.accepted {
      for _ in 0..<20 {
        let wire = mutated(Array(fixture.wire.utf8), &generator)
        let whole = Trace(wire)
        #expect(Trace(wire, piece: 1) == whole)
        #expect(Trace(wire, cutAt: Int.random(in: 0...wire.count, using: &generator)) == whole)
      }
    }
  }

  private func mutated(_ bytes: [UInt8], _ generator: inout Generator) -> [UInt8] {
    var bytes = bytes
    for _ in 0...Int.random(in: 0...2, using: &generator) {
      let index = Int.random(in: 0..<bytes.count, using: &generator)
      let byte = Self.spice.randomElement(using: &generator) ?? 0
      switch Int.random(in: 0..<4, using: &generator) {
      case 0: bytes[index] = byte
      case 1: bytes.insert(byte, at: index)
      case 2 where bytes.count > 1: bytes.remove(at: index)
      default: bytes.insert(contentsOf: bytes[index...], at: index)
      }
    }
    return bytes
  }
}
