import Bytes
import TestSupport
import Testing

@Suite("Compression") struct CompressionTests {
  @Test(arguments: [0, 1, 100, 8 << 10, (8 << 10) + 1, 65_536, 200_000])
  func `what is deflated inflates again`(_ count: Int) throws {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * $0 >> 3) }
    let packed = try Deflaters().deflate(bytes.span)
    #expect(try Compression.inflate(packed.span, limit: count) == bytes)
  }

  @Test func `nothing of one buffer is left for the next, whoever deflates it`() async throws {
    let mail = SampleMail.messages(200)
    try await withThrowingTaskGroup { group in
      for message in mail {
        group.addTask {
          let packed = try Deflaters().deflate(message.span)
          #expect(try Compression.inflate(packed.span, limit: message.count) == message)
        }
      }
      try await group.waitForAll()
    }
  }

  @Test func `mail gets smaller`() throws {
    let mail = SampleMail.messages(20).flatMap { $0 }
    let packed = try Deflaters().deflate(mail.span)
    #expect(packed.count < mail.count / 2)
  }

  @Test func `a bomb is stopped at the limit`() throws {
    let bomb = try Deflaters().deflate([UInt8](repeating: 0, count: 10_000_000).span)
    #expect(bomb.count < 100_000)
    let error = #expect(throws: CompressionError.self) {
      try Compression.inflate(bomb.span, limit: 1_000_000)
    }
    guard case .tooLong(limit: 1_000_000) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func `a stream cut anywhere or changed is refused`() throws {
    let plain = SampleMail.message(3)
    let packed = try Deflaters().deflate(plain.span)
    for end in stride(from: 0, to: packed.count, by: 7) {
      let cut = [UInt8](packed[..<end])
      #expect(throws: CompressionError.self) { try Compression.inflate(cut.span, limit: 1_000_000) }
    }
    var changed = packed
    changed[packed.count - 1] ^= 1
    #expect(throws: CompressionError.self) {
      try Compression.inflate(changed.span, limit: 1_000_000)
    }
  }

  @Test func `Mutation: damaged streams never crash nor pass the limit`() throws {
    let packed = try [3, 5, 8].map { try Deflaters().deflate(SampleMail.message($0).span) }
    try Mutations.run("inflate", of: packed) { input in
      guard let plain = try? Compression.inflate(input.span, limit: 10_000) else { return }
      #expect(plain.count <= 10_000)
    }
  }
}
