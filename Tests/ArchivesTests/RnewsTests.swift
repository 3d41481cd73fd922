import Archives
import TestSupport
import Testing

@Suite("rnews batches") struct RnewsTests {
  private static let article =
    "Path: news.example!ada\nDate: Thu, 26 Nov 2026 02:47:02 +0000\nSubject: a\n\nFrom here\n"

  private func batch(_ articles: [String]) -> [UInt8] {
    articles.flatMap { Array("#! rnews \($0.utf8.count)\n\($0)".utf8) }
  }

  @Test func `articles are as long as the line before them says`() {
    let found = read(batch([Self.article, "A: b\n\n#! rnews 9\nx"]), .rnews)
    #expect(found.messages.map(\.text) == [Self.article, "A: b\n\n#! rnews 9\nx"])
    #expect(found.messages.map(\.receivedAt) == [1_795_661_222, nil])
    #expect(found.defects == [])
  }

  @Test func `a length that is wrong costs what stands before the next line`() {
    let bytes = Array("#! rnews 5\nA: b\n\nmore\n#! rnews 6\nC: d\n\n".utf8)
    let found = read(bytes, .rnews, pieces: 5)
    #expect(found.messages.map(\.text) == ["A: b\n", "C: d\n\n"])
    #expect(found.defects == [ArchiveDefect(.wrongLength, at: 0)])
  }

  @Test func `a line that begins no article is passed`() {
    let found = read(Array("#! rnews x\n#! rnews\n#! rnews 6\nC: d\n\n".utf8), .rnews, pieces: 3)
    #expect(found.messages.map(\.text) == ["C: d\n\n"])
    #expect(found.defects.map(\.kind) == [.noMessage])
  }

  @Test func `a batch that ends within an article keeps what there is`() {
    let found = read(Array("#! rnews 50\nA: b\n\nx".utf8), .rnews)
    #expect(found.messages.map(\.text) == ["A: b\n\nx"])
    #expect(found.defects == [ArchiveDefect(.truncated, at: 0)])
  }

  @Test func `what is no batch is one article`() {
    #expect(read(Array("A: b\n\nx\n".utf8), .rnews).messages.map(\.text) == ["A: b\n\nx\n"])
    #expect(read([], .rnews).messages == [])
    let junk = read(Array("\u{1}\u{2} no article\nA: b\n".utf8), .rnews, pieces: 4)
    #expect(junk.messages == [])
    #expect(junk.defects == [ArchiveDefect(.noMessage, at: 0)])
  }

  @Test(arguments: ["#! gunbatch\n", "#! zunbatch\n", "#! cunbatch\n", ""])
  func `batches that gzip compressed are inflated, in several members too`(_ line: String)
    async throws
  {
    let directory = try TemporaryDirectory("rnews")
    var packed: [UInt8] = []
    for (index, part) in [[Self.article, Self.article], ["A: b\n\n"]].enumerated() {
      try directory.write(batch(part), to: "part\(index)")
      _ = try await Command.run(["gzip", directory.file("part\(index)")])
      packed += try directory.read("part\(index).gz")
    }
    let bytes = Array(line.utf8) + packed
    for size in [1, 50, .max] {
      let found = read(bytes, .rnews, pieces: size)
      #expect(found.messages.map(\.text) == [Self.article, Self.article, "A: b\n\n"])
      #expect(found.defects == [])
    }
    // It goes on within what it inflates to.
    var reader = ArchiveReader(.rnews)
    reader.receive(bytes)
    reader.finish()
    _ = reader.next()
    #expect(reader.place.offset == 0)
    let rest = read(bytes, .rnews, from: reader.place, pieces: 10)
    #expect(rest.messages.map(\.text) == [Self.article, "A: b\n\n"])
    // Damage ends it, with its place.
    let damaged = read(Array(bytes.dropLast(20)), .rnews)
    #expect(damaged.defects.map(\.kind).contains(.damagedCompression))
  }

  @Test func `what is compressed otherwise is refused in words`() {
    for head in [[0x1F, 0x9D, 0x90], Array("BZh9".utf8), [0xFD, 0x37, 0x7A]] as [[UInt8]] {
      let found = read(Array("#! cunbatch\n".utf8) + head, .rnews)
      #expect(found.defects == [ArchiveDefect(.unknownCompression, at: 0)])
      #expect(found.messages == [])
    }
  }
}
