import Bytes
import Testing

@Suite("Deflated streams (RFC 1951)") struct CompressionStreamTests {
  private static let text = [UInt8](
    String(repeating: "* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n", count: 5000).utf8
  )

  /// All that `deflated` gives, fed in pieces of `size` bytes and taken at most `limit` at a time.
  private func inflate(_ deflated: [UInt8], pieces size: Int, limit: Int = 1000) throws -> [UInt8] {
    let inflater = try Inflater()
    var output: [UInt8] = []
    var start = 0
    while start < deflated.count {
      let end = min(start + size, deflated.count)
      inflater.receive(Array(deflated[start..<end]))
      while true {
        let bytes = try inflater.next(upTo: limit)
        if bytes.isEmpty { break }
        #expect(bytes.count <= limit)
        output += bytes
      }
      start = end
    }
    return output
  }

  @Test(arguments: [1, 7, 100_000])
  func `what is deflated comes out whole, however it is cut`(size: Int) throws {
    let deflater = try Deflater()
    let first = try deflater.deflate(Self.text)
    let second = try deflater.deflate([UInt8]("A1 OK done\r\n".utf8))
    #expect(first.count < Self.text.count / 10)
    #expect(try inflate(first + second, pieces: size) == Self.text + [UInt8]("A1 OK done\r\n".utf8))
  }

  @Test func `each piece can be read before the next is written`() throws {
    let deflater = try Deflater()
    let inflater = try Inflater()
    #expect(try deflater.deflate([]).isEmpty)
    for text in ["a", "", "* OK\r\n", String(repeating: "xyz", count: 70_000)] {
      inflater.receive(try deflater.deflate([UInt8](text.utf8)))
      #expect(try inflater.next(upTo: 1 << 20) == [UInt8](text.utf8))
      #expect(try inflater.next(upTo: 1 << 20).isEmpty)
    }
  }

  @Test func `bytes that inflate a thousandfold come a piece at a time`() throws {
    let deflater = try Deflater()
    let bomb = try deflater.deflate([UInt8](repeating: 0, count: 4 << 20))
    #expect(bomb.count < 40_000)
    let inflater = try Inflater()
    inflater.receive(bomb)
    #expect(try inflater.next(upTo: 65_536).count == 65_536)
  }

  @Test(arguments: ["* OK not deflated at all\r\n", "\u{7}\u{7}\u{7}\u{7}", "HTTP/1.1 400\r\n\r\n"])
  func `other bytes are damage`(text: String) throws {
    #expect(throws: CompressionError.self) {
      try inflate([UInt8](text.utf8) + [UInt8](repeating: 0xFF, count: 64), pieces: 64)
    }
  }

  @Test func `a stream that ends gives nothing more`() throws {
    let inflater = try Inflater()
    inflater.receive([0x03, 0x00, 0x41, 0x42])  // An empty final block, and rubbish.
    #expect(try inflater.next(upTo: 10).isEmpty)
    #expect(inflater.isAtEnd)
    #expect(try inflater.next(upTo: 10).isEmpty)
  }
}
