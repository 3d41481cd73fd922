import Archives
import TestSupport
import Testing

@Suite("Archives there and back") struct RoundTripTests {
  @Test(arguments: written)
  func `random messages come back byte for byte, with their keywords and times`(
    _ format: ArchiveFormat
  ) {
    var source = MessageSource(seed: 7)
    for round in 0..<150 {
      let messages = (0..<Int.random(in: 0..<8, using: &source)).map { index in
        source.message(isCanonical: (index + round).isMultiple(of: 2))
      }
      let archive = write(messages, format)
      let found = read(archive, format)
      #expect(found.messages.map(\.content) == messages, "round \(round)")
      #expect(found.defects == [], "round \(round)")
    }
  }

  @Test(arguments: written)
  func `the pieces that an archive comes in do not matter`(_ format: ArchiveFormat) {
    var source = MessageSource(seed: 11)
    let messages = (0..<12).map { _ in source.message() }
    let archive = write(messages, format)
    for size in [1, 2, 3, 7, 100, 511, 513, 4096] {
      let found = read(archive, format, pieces: size)
      #expect(found.messages.map(\.content) == messages, "pieces of \(size)")
      #expect(found.defects == [], "pieces of \(size)")
    }
  }

  @Test(arguments: written)
  func `reading goes on after any message`(_ format: ArchiveFormat) {
    var source = MessageSource(seed: 13)
    let messages = (0..<10).map { _ in source.message() }
    let archive = write(messages, format)
    var reader = ArchiveReader(format)
    reader.receive(archive)
    reader.finish()
    var count = 0
    while let event = reader.next() {
      guard case .message = event else { continue }
      count += 1
      let rest = read(archive, format, from: reader.place, pieces: 100)
      #expect(rest.messages.map(\.content) == Array(messages[count...]), "after \(count)")
    }
    #expect(count == messages.count)
  }

  @Test(arguments: written)
  func `real messages come back`(_ format: ArchiveFormat) {
    let messages = (0..<100).map { index in
      ArchivedMessage(
        SampleMail.message(index),
        keywords: index.isMultiple(of: 3) ? ["$seen"] : [],
        receivedAt: Int64(SampleMail.date(index))
      )
    }
    #expect(read(write(messages, format), format, pieces: 1000).messages.map(\.content) == messages)
  }

  @Test(arguments: ArchiveFormat.allCases)
  func `no bytes bring a reader down, and it always ends`(_ format: ArchiveFormat) throws {
    var source = MessageSource(seed: 17)
    let archives = (0..<8).map { _ in
      write((0..<4).map { _ in source.message() }, format)
    }
    var limits = ArchiveLimits()
    limits.messageBytes = 300
    try Mutations.run("archive-\(format)", of: archives, count: 400) { bytes in
      let whole = read(bytes, format, limits)
      let cut = read(bytes, format, pieces: 13, limits)
      #expect(whole.messages == cut.messages)
      #expect(whole.messages.allSatisfy { $0.raw.count <= 4096 })
    }
  }

  @Test func `a long message is passed over, with its place, and holds up no other`() {
    var limits = ArchiveLimits()
    limits.messageBytes = 10_000
    let long = ArchivedMessage(
      Array(String(repeating: "0123456789\r\n", count: 5000).utf8),
      receivedAt: 1
    )
    let short = ArchivedMessage(Array("Subject: short\r\n\r\nhello\r\n".utf8), receivedAt: 2)
    for format in written {
      let archive = write([short, long, short], format)
      for size in [1000, .max] {
        let found = read(archive, format, pieces: size, limits)
        #expect(found.messages.map(\.content) == [short, short], "\(format)")
        #expect(found.defects.map(\.kind) == [.messageTooLong], "\(format)")
        let second = read(archive, format).messages[1].offset
        #expect(found.defects.first?.offset == second, "\(format)")
      }
    }
  }

  @Test func `a line that has no end is passed over in pieces`() {
    var limits = ArchiveLimits()
    limits.messageBytes = 2000
    let separator = Array("From a@b Thu Jan  1 00:00:01 1970\n".utf8)
    let endless = [UInt8](repeating: UInt8(ascii: "a"), count: 100_000)
    let short = Array("Subject: x\n\nhello\n".utf8)
    let archive = separator + endless + Array("\n\n".utf8) + separator + short
    for size in [100, 700, 5000, .max] {
      let found = read(archive, .mbox, pieces: size, limits)
      #expect(
        found.messages.count == 1 && found.defects.map(\.kind) == [.messageTooLong],
        "\(size)"
      )
    }
  }
}
