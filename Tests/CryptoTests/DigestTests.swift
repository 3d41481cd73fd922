import Bytes
import Crypto
import Testing

@Suite("Digests and MACs") struct DigestTests {
  /// Bytes and their digest in hexadecimal.
  struct Vector: Sendable {
    var input: String
    var digest: String
  }

  /// FIPS 180-4's examples.
  static let sha256 = [
    Vector(
      input: "",
      digest: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    ),
    Vector(
      input: "abc",
      digest: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    ),
    Vector(
      input: "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      digest: "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
  ]

  @Test(arguments: sha256) func `SHA-256 is that of FIPS 180-4`(_ vector: Vector) {
    let bytes = [UInt8](vector.input.utf8)
    #expect(Hex.encode(Digest.sha256(bytes.span).span) == vector.digest)
  }

  @Test(arguments: sha256) func `a digest does not depend on how the bytes are cut`(
    _ vector: Vector
  ) {
    let bytes = [UInt8](vector.input.utf8)
    for cut in 0...bytes.count {
      var hash = SHA256()
      hash.update(bytes.span.extracting(..<cut))
      hash.update(bytes.span.extracting(cut...))
      #expect(Hex.encode(hash.finish().span) == vector.digest)
    }
  }

  @Test func `a million letters have the digest of FIPS 180-4`() {
    let bytes = [UInt8](repeating: 0x61, count: 1_000_000)
    #expect(
      Hex.encode(Digest.sha256(bytes.span).span)
        == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    )
  }

  /// A case of RFC 4231 §4.
  struct MACVector: Sendable {
    var key: [UInt8]
    var data: [UInt8]
    var mac: String
  }

  static let macs = [
    MACVector(
      key: [UInt8](repeating: 0x0B, count: 20),
      data: [UInt8]("Hi There".utf8),
      mac: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    ),
    MACVector(
      key: [UInt8]("Jefe".utf8),
      data: [UInt8]("what do ya want for nothing?".utf8),
      mac: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    ),
    MACVector(
      key: [UInt8](repeating: 0xAA, count: 20),
      data: [UInt8](repeating: 0xDD, count: 50),
      mac: "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
    ),
    MACVector(
      key: [UInt8](repeating: 0xAA, count: 131),
      data: [UInt8]("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
      mac: "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    ),
    MACVector(
      key: [],
      data: [],
      mac: "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"
    ),
  ]

  @Test(arguments: macs) func `HMAC-SHA-256 is that of RFC 4231`(_ vector: MACVector) {
    let mac = HMAC.sha256(key: vector.key.span, vector.data.span)
    #expect(Hex.encode(mac.span) == vector.mac)
  }

  @Test func `secrets are equal only if all their bytes are`() {
    func areEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool { constantTimeEqual(a.span, b.span) }
    #expect(areEqual([1, 2, 3], [1, 2, 3]))
    #expect(!areEqual([1, 2, 3], [1, 2, 4]))
    #expect(!areEqual([1, 2, 3], [1, 2]))
    #expect(areEqual([], []))
  }

  @Test func `random bytes are as many as were asked for, and others each time`() throws {
    #expect(try Random.bytes(0).isEmpty)
    #expect(try Random.bytes(33).count == 33)
    #expect(try Random.bytes(32) != Random.bytes(32))
  }
}
