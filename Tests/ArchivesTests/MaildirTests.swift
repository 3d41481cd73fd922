import Archives
import TestSupport
import Testing

@Suite("Maildir") struct MaildirTests {
  private func tar(_ files: [(path: String, text: String)]) -> [UInt8] {
    var archive: [UInt8] = []
    for file in files {
      TarWriter.write(
        file.path,
        Array(file.text.utf8).span,
        modifiedAt: 1_700_000_000,
        to: &archive
      )
    }
    TarWriter.finish(&archive)
    return archive
  }

  @Test func `flags stand in names, keywords in dovecot-keywords, folders in paths`() {
    let long = String(repeating: "n", count: 120)
    let found = read(
      tar([
        ("Maildir/dovecot-keywords", "0 Work\n1 $Junk\n"), ("Maildir/new/1.a", "A: new\n"),
        ("Maildir/cur/2.b:2,FSab", "A: two\n"), ("Maildir/cur/3.c,S=7,W=8:2,RT", "A: del\n"),
        ("Maildir/.Archive.2024/cur/4.\(long):2,PS", "A: old\n"), ("Maildir/tmp/5", "A: tmp\n"),
        ("Maildir/Sent/cur/6;2,D", "A: sent\n"), ("Maildir/dovecot-uidlist", "3 V1\n"),
      ]),
      .maildir
    )
    #expect(found.defects == [])
    #expect(
      found.messages.map(\.keywords) == [
        [], ["$flagged", "$junk", "$seen", "work"], ["$answered"], ["$forwarded", "$seen"],
        ["$draft"],
      ]
    )
    #expect(found.messages.map(\.isDeleted) == [false, false, true, false, false])
    #expect(found.messages.map(\.mailbox) == [[], [], [], ["Archive", "2024"], ["Sent"]])
    #expect(found.messages[2].text == "A: del\r\n")
    #expect(found.messages[0].text == "A: new\n")
    #expect(found.messages.allSatisfy { $0.receivedAt == 1_700_000_000 })
  }

  @Test func `a letter that nothing explains is reported`() {
    let found = read(tar([("cur/1:2,Sc", "A: b\n")]), .maildir)
    #expect(found.messages.map(\.keywords) == [["$seen"]])
    #expect(found.defects == [ArchiveDefect(.unknownKeyword, at: 0)])
  }

  @Test func `a damaged header costs one file`() {
    var archive = tar([("cur/1:2,", "A: 1\n"), ("cur/2:2,", "A: 2\n"), ("cur/3:2,", "A: 3\n")])
    archive[1024] ^= 0xFF
    let found = read(archive, .maildir, pieces: 700)
    #expect(found.messages.map(\.text) == ["A: 1\n", "A: 3\n"])
    #expect(found.defects == [ArchiveDefect(.damagedHeader, at: 1024)])
  }

  @Test func `an archive that ends within a file says so`() {
    let archive = tar([("cur/1:2,", "A: 1\n"), ("cur/2:2,", String(repeating: "x", count: 900))])
    let found = read(Array(archive[..<(1024 + 512 + 100)]), .maildir)
    #expect(found.messages.map(\.text) == ["A: 1\n"])
    #expect(found.defects == [ArchiveDefect(.truncated, at: 1024)])
  }

  @Test(arguments: [(1024, ["A: 1\n"]), (2048, ["A: 1\n"]), (3072, ["A: 1\n", "A: 3\n"])])
  func `an archive that is cut between two files says that it may have been`(
    _ end: Int,
    _ texts: [String]
  ) {
    let archive = tar([
      ("cur/1:2,", "A: 1\n"), ("tmp/2:2,", String(repeating: "x", count: 300)),
      ("cur/3:2,", "A: 3\n"),
    ])
    for size in [Int.max, 700] {
      let found = read(Array(archive[..<end]), .maildir, pieces: size)
      #expect(found.messages.map(\.text) == texts)
      #expect(found.defects == [ArchiveDefect(.noEndMark, at: Int64(end))])
      // A block of zeros is mark enough.
      #expect(
        read(Array(archive[..<end]) + Array(repeating: 0, count: 512), .maildir).defects == []
      )
    }
  }

  @Test func `an archive that is cut in a file of no interest says so`() {
    let archive = tar([("cur/1:2,", "A: 1\n"), ("tmp/2", String(repeating: "x", count: 900))])
    let found = read(Array(archive[..<1700]), .maildir)
    #expect(found.messages.map(\.text) == ["A: 1\n"])
    #expect(found.defects == [ArchiveDefect(.noEndMark, at: 1700)])
  }

  @Test func `whoever goes on at the very end is told of no cut`() {
    let archive = tar([("cur/1:2,", "A: 1\n")])
    var place = ArchivePlace()
    place.offset = 2048
    #expect(read(archive, .maildir, from: place).defects == [])
  }

  @Test func `damaged compression is told, not what it keeps from being seen`() {
    #expect(
      read([0x1F, 0x8B] + Array(repeating: 7, count: 600), .maildir).defects.map(\.kind)
        == [.damagedCompression]
    )
    #expect(
      read([0x42, 0x5A, 0x68] + Array(repeating: 7, count: 600), .maildir).defects.map(\.kind)
        == [.unknownCompression]
    )
  }

  @Test func `tar itself reads what is written, and is read`() async throws {
    let directory = try TemporaryDirectory("tar")
    let messages = (0..<3).map { index in
      ArchivedMessage(SampleMail.message(index), keywords: ["work"], receivedAt: 1_700_000_000)
    }
    try directory.write(write(messages, .maildir), to: "out.tar")
    _ = try await Command.run(["tar", "-xf", directory.file("out.tar"), "-C", directory.path])
    for format in ["gnu", "pax", "ustar"] {
      _ = try await Command.run([
        "tar", "--format=\(format)", "-czf", directory.file("back.tar"), "-C", directory.path,
        "dovecot-keywords", "cur", "new", "tmp",
      ])
      let found = read(try directory.read("back.tar"), .maildir, pieces: 999)
      #expect(Set(found.messages.map(\.raw)) == Set(messages.map(\.raw)), "\(format)")
      #expect(found.messages.allSatisfy { $0.keywords == ["work"] }, "\(format)")
      #expect(found.messages.allSatisfy { $0.receivedAt == 1_700_000_000 }, "\(format)")
      #expect(found.defects == [], "\(format)")
    }
  }
}
