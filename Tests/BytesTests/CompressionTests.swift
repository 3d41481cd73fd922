import Bytes
import TestSupport
import Testing

@Suite("Compression") struct CompressionTests {
  @Test(arguments: [0, 1, 100, 65_536, 128 << 10, (128 << 10) + 1, 256 << 10])
  func `what is compressed comes out again`(_ count: Int) throws {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * $0 >> 3) }
    let packed = try Compressors().compress(bytes.span)
    #expect(try Compression.decompress(packed.span, limit: count) == bytes)
  }

  @Test func `nothing of one buffer is left for the next, whoever compresses it`() async throws {
    let mail = SampleMail.messages(200)
    let compressors = Compressors()
    try await withThrowingTaskGroup { group in
      for message in mail {
        group.addTask {
          let packed = try compressors.compress(message.span)
          #expect(try Compression.decompress(packed.span, limit: message.count) == message)
        }
      }
      try await group.waitForAll()
    }
  }

  @Test func `mail gets smaller`() throws {
    let mail = SampleMail.messages(20).flatMap { $0 }
    let packed = try Compressors().compress(mail.span)
    #expect(packed.count < mail.count / 2)
  }

  /// As databases have it from before there was zstd.
  private static let deflated: [UInt8] = [
    0x78, 0x01, 0x0B, 0x2E, 0x4D, 0xCA, 0x4A, 0x4D, 0x2E, 0xB1, 0x52, 0xC8, 0x4E, 0x2D, 0x28,
    0x51, 0x48, 0x4A, 0x4D, 0xCB, 0x2F, 0x4A, 0xE5, 0xE5, 0xE2, 0xE5, 0x42, 0xE2, 0x02, 0x00,
    0xD9, 0x0E, 0x0B, 0xE7,
  ]

  @Test func `what a database has in zlib's format comes out, too`() throws {
    let plain = try Compression.decompress(Self.deflated.span, limit: 1000)
    #expect(String(decoding: plain, as: UTF8.self) == "Subject: kept before\r\n\r\nkept before")
    let error = #expect(throws: CompressionError.self) {
      try Compression.decompress(Self.deflated.span, limit: 20)
    }
    guard case .tooLong(limit: 20) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test(arguments: [
    // No length told, a length that is not that of the content, something after the end.
    "28B52FFD00580100000100", "28B52FFD2005190000616263", "28B52FFD200319000061626300",
    "28B52FFD", "28B52FFD20",
  ])
  func `a frame that is not ours is refused`(_ frame: String) throws {
    let decoded = Hex.decode(frame.utf8.span)
    let bytes = try #require(decoded)
    #expect(throws: CompressionError.self) { try Compression.decompress(bytes.span, limit: 1000) }
  }

  @Test func `a bomb is stopped at the limit`() throws {
    let bomb = try Compressors().compress([UInt8](repeating: 0, count: 10_000_000).span)
    #expect(bomb.count < 100_000)
    let error = #expect(throws: CompressionError.self) {
      try Compression.decompress(bomb.span, limit: 1_000_000)
    }
    guard case .tooLong(limit: 1_000_000) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func `a buffer cut anywhere or changed is refused`() throws {
    let plain = SampleMail.message(3)
    let packed = try Compressors().compress(plain.span)
    for end in stride(from: 0, to: packed.count, by: 7) {
      let cut = [UInt8](packed[..<end])
      #expect(throws: CompressionError.self) {
        try Compression.decompress(cut.span, limit: 1_000_000)
      }
    }
    var changed = packed
    changed[packed.count - 1] ^= 1
    #expect(throws: CompressionError.self) {
      try Compression.decompress(changed.span, limit: 1_000_000)
    }
  }

  @Test func `Mutation: damaged buffers never crash nor pass the limit`() throws {
    let packed = try [3, 5, 8].map { try Compressors().compress(SampleMail.message($0).span) }
    try Mutations.run("decompress", of: packed + [Self.deflated]) { input in
      guard let plain = try? Compression.decompress(input.span, limit: 10_000) else { return }
      #expect(plain.count <= 10_000)
    }
  }
}
