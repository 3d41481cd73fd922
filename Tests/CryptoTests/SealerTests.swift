import Bytes
@testable import Crypto
import Testing

@Suite("Sealed secrets") struct SealerTests {
  let plain = [UInt8]("correct horse".utf8)
  let context = "account.secret:42"

  @Test(arguments: [0, 1, 15, 16, 17, 10_000])
  func `what is sealed opens again`(_ count: Int) throws {
    let sealer = Sealer(keys: [try SecretKey.generate()])
    let secret = [UInt8](repeating: 7, count: count)
    let sealed = try sealer.seal(secret, context: context)
    #expect(sealed.count == count + Sealer.overhead)
    #expect(try sealer.open(sealed.span, context: context) == secret)
  }

  @Test func `the same secret is never sealed to the same bytes`() throws {
    let sealer = Sealer(keys: [try SecretKey.generate()])
    #expect(try sealer.seal(plain, context: context) != sealer.seal(plain, context: context))
  }

  @Test func `a secret does not open in another place`() throws {
    let sealer = Sealer(keys: [try SecretKey.generate()])
    let sealed = try sealer.seal(plain, context: context)
    #expect(throws: CryptoError.notAuthentic) {
      try sealer.open(sealed.span, context: "account.secret:43")
    }
  }

  @Test func `no bit of a sealed secret can be changed`() throws {
    let sealer = Sealer(keys: [try SecretKey.generate()])
    let sealed = try sealer.seal(plain, context: context)
    for index in sealed.indices {
      for bit in 0..<8 {
        var changed = sealed
        changed[index] ^= 1 << UInt8(bit)
        #expect(throws: CryptoError.self) { try sealer.open(changed.span, context: context) }
      }
    }
  }

  @Test func `a sealed secret cut anywhere does not open`() throws {
    let sealer = Sealer(keys: [try SecretKey.generate()])
    let sealed = try sealer.seal(plain, context: context)
    for end in 0..<sealed.count {
      let cut = [UInt8](sealed[..<end])
      #expect(throws: CryptoError.self) { try sealer.open(cut.span, context: context) }
    }
  }

  @Test func `after a rotation old secrets open and new ones use the new key`() throws {
    let (old, new) = (try SecretKey.generate(), try SecretKey.generate())
    let sealed = try Sealer(keys: [old]).seal(plain, context: context)
    let rotated = Sealer(keys: [new, old])
    #expect(try rotated.open(sealed.span, context: context) == plain)
    #expect(Sealer.keyID(of: sealed.span) == old.keyID)
    let again = try rotated.seal(plain, context: context)
    #expect(Sealer.keyID(of: again.span) == rotated.keyID)
    #expect(rotated.keyID == new.keyID)
    #expect(throws: CryptoError.unknownKey(new.keyID)) {
      try Sealer(keys: [old]).open(again.span, context: context)
    }
  }

  @Test(arguments: [0, 16, 31, 33]) func `a key of another length is refused`(_ count: Int) {
    #expect(throws: CryptoError.wrongKeyLength(expected: 32, found: count)) {
      try SecretKey(bytes: [UInt8](repeating: 0, count: count))
    }
  }

  @Test func `a key never prints itself`() throws {
    let key = try SecretKey(bytes: [UInt8](repeating: 0xEE, count: 32))
    var dumped = ""
    dump(key, to: &dumped)
    for text in ["\(key)", String(reflecting: key), dumped] {
      #expect(!text.contains("238"))
      #expect(text.contains("\(key.keyID)"))
    }
  }

  @Test func `a derived key depends on the key and the purpose`() throws {
    let (one, other) = (try SecretKey.generate(), try SecretKey.generate())
    #expect(one.derive("cursor") == one.derive("cursor"))
    #expect(one.derive("cursor") != one.derive("ticket"))
    #expect(one.derive("cursor") != other.derive("cursor"))
    #expect(one.derive("cursor").count == 32)
  }

  /// Test case 16 of the GCM specification (McGrew and Viega), AES-256 with additional data.
  @Test func `the cipher is AES-256-GCM`() throws {
    func bytes(_ hex: String) throws -> [UInt8] {
      let decoded = Hex.decode([UInt8](hex.utf8).span)
      return try #require(decoded)
    }
    let half = try bytes("feffe9928665731c6d6a8f9467308308")
    let cipher = try GCM(
      key: SecretKey(bytes: half + half),
      nonce: bytes("cafebabefacedbaddecaf888"),
      seals: true
    )
    try cipher.authenticate(bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2"))
    let text = try cipher.update(
      bytes(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
          + "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
      )
    )
    #expect(
      Hex.encode(text.span)
        == "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        + "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
    )
    let tag = try cipher.tag()
    #expect(Hex.encode(tag.span) == "76fc6ece0f4e1768cddf8853bb2d551b")
  }
}
