import Net
import Engine
import Model
import Store
import Synchronization
import TestSupport
import Testing

@Suite("Bodies", .serialized, .timeLimit(.minutes(6)))
struct BodyTests {
  @Test func `raw bytes are those that were delivered`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: SampleMail.Kind.allCases.count)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      for (index, row) in try await service.messages(of: account).reversed().enumerated() {
        let expected = SampleMail.message(index)
        let source = try await service.engine.openRaw(row.id, of: account)
        #expect(try await source.collect(upTo: 1 << 20).bytes == expected)
        #expect(row.size == expected.count)
        let header = try await service.engine.header(row.id, of: account)
        #expect(header.first?.name == "Return-Path")
      }
    }
  }

  @Test func `what was read a moment ago is read again without the server`() async throws {
    let dovecot = try await MailServers.own()
    let mail = [
      SampleMail.message(1, kind: .quotedPrintable), SampleMail.withAttachment(ofSize: 300_000),
    ]
    try await dovecot.fill(user: "alice", with: mail)
    var options = TestService.Options()
    options.engine.bodyCache.sectionBytes = 100_000
    try await TestService.with(options) { service in
      let way = try TapProxy(to: dovecot.imapPort, on: service.group.loops[0])
      let account = try await service.addAccount(TestService.imap(port: way.port))
      try await service.waitUntilReady(account)
      let (long, short) = (
        try await service.messages(of: account)[0].id, try await service.messages(of: account)[1].id
      )
      func read(_ id: ID<Message>) async throws -> [String] {
        let engine = try service.engine
        let header = try await engine.header(id, of: account).map { "\($0.name):\($0.value)" }
        return header
          + (try await engine.bodyValues(id, of: account, limit: 1 << 20).map(\.value))
      }
      func fetches() -> Int {
        way.requests.joined().count { $0.contains("BODY.PEEK[") && !$0.contains("HEADER.FIELDS") }
      }
      let first = try await read(short)
      let raw = try await service.engine.openRaw(short, of: account).collect(upTo: 1 << 20).bytes
      #expect(raw == mail[0])
      // The longest text was cut: it is not kept as if it were whole.
      let cut = try await service.engine.bodyValues(long, of: account, limit: 2)
      #expect(cut.first?.isTruncated == true)
      let whole = try await service.engine.bodyValues(long, of: account, limit: 1 << 20)
      #expect(whole.first?.isTruncated == false)
      let part = try await service.engine.openPart(long, of: account, partID: "2")
      #expect(try await part.collect(upTo: 1 << 20).bytes.count == 300_000)
      let asked = fetches()
      #expect(asked > 0)
      #expect(try await read(short) == first)
      #expect(
        try await service.engine.openRaw(short, of: account).collect(upTo: 1 << 20).bytes == raw
      )
      #expect(fetches() == asked)
      // What is longer than the bound is asked for again; what is kept needs no server at all.
      #expect(try await part.collect(upTo: 1 << 20).bytes.count == 300_000)
      #expect(fetches() == asked + 1)
      way.goAway()
      #expect(try await read(short) == first)
      await way.stop()
    }
    await dovecot.stop()
  }

  @Test func `texts are decoded`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(
      user: user,
      with: [SampleMail.message(1, kind: .quotedPrintable), SampleMail.message(2, kind: .base64)]
    )
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      let rows = try await service.messages(of: account)
      let base64 = try await service.engine.bodyValues(rows[0].id, of: account, limit: 1 << 20)
      #expect(base64.first?.value.hasPrefix("Schöne Grüße 🌿") == true)
      let quoted = try await service.engine.bodyValues(rows[1].id, of: account, limit: 1 << 20)
      #expect(quoted.first?.value.hasPrefix("Grüße aus Köln") == true)
      #expect(quoted.first?.value.contains("umbrochen wird. a = b") == true)
      let cut = try await service.engine.bodyValues(rows[1].id, of: account, limit: 10)
      #expect(cut.first?.isTruncated == true)
    }
  }

  @Test func `an attachment of 20 MB streams, and so does a range of it`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    let size = 20 * 1024 * 1024
    try await dovecot.fill(user: user, with: [SampleMail.withAttachment(ofSize: size)])
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      let id = try await service.messages(of: account)[0].id
      let source = try await service.engine.openPart(id, of: account, partID: "2")
      #expect(source.filename == "large.bin")
      let seen = Mutex((count: 0, wrong: 0, largest: 0))
      try await source.stream { piece in
        seen.withLock { seen in
          for (offset, byte) in piece.enumerated()
          where byte != UInt8(truncatingIfNeeded: (seen.count + offset) * 31) {
            seen.wrong += 1
          }
          seen.count += piece.count
          seen.largest = max(seen.largest, piece.count)
        }
      }
      let (count, wrong, largest) = seen.withLock { $0 }
      #expect(count == size && wrong == 0)
      #expect(largest <= 1 << 20)
      let part = Mutex<[UInt8]>([])
      try await source.stream(range: 1_000_000..<1_000_050) { piece in
        part.withLock { $0 += piece }
      }
      #expect(
        part.withLock { $0 } == (1_000_000..<1_000_050).map { UInt8(truncatingIfNeeded: $0 * 31) }
      )
    }
  }

  @Test func `a part of a message that waits for its server is read here, chunk by chunk`()
    async throws
  {
    let dovecot = try await MailServers.own()
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, "alice")
      let inbox = try await service.mailbox("INBOX", of: account)
      await dovecot.stop()
      let size = 2 * 1024 * 1024
      let id = try await service.engine.importMessage(
        SampleMail.withAttachment(ofSize: size),
        into: inbox.id,
        of: account,
        keywords: [],
        receivedAt: nil
      )
      let source = try await service.engine.openPart(id, of: account, partID: "2")
      #expect(source.length == size)
      let seen = Mutex((bytes: [UInt8](), largest: 0))
      try await source.stream { piece in
        seen.withLock { seen in
          seen.bytes += piece
          seen.largest = max(seen.largest, piece.count)
        }
      }
      let (bytes, largest) = seen.withLock { $0 }
      #expect(bytes == (0..<size).map { UInt8(truncatingIfNeeded: $0 * 31) })
      #expect(largest <= BlobLimits.chunkSize)
      let text = try await service.engine.openPart(id, of: account, partID: "1")
      let bytesOfText = try await text.collect(upTo: 100).bytes
      #expect(String(decoding: bytesOfText, as: UTF8.self) == "The file is attached.\r\n")
    }
  }

  @Test func `a download that nobody reads delays neither a list nor other bodies`()
    async throws
  {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(
      user: user,
      with: [SampleMail.withAttachment(ofSize: 8 * 1024 * 1024), SampleMail.message(7)]
    )
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      let rows = try await service.messages(of: account)
      let (small, large) = (rows[0].id, rows[1].id)
      let source = try await service.engine.openRaw(large, of: account)
      let (begun, hasBegun) = AsyncStream.makeStream(of: Void.self)
      let (gate, opensGate) = AsyncStream.makeStream(of: Void.self)
      let download = Task(executorPreference: service.group.loops[1]) {
        let count = Mutex(0)
        try await source.stream { piece in
          let isFirst = count.withLock { count in
            defer { count += piece.count }
            return count == 0
          }
          guard isFirst else { return }
          hasBegun.yield()
          for await _ in gate { return }
        }
        return count.withLock { $0 }
      }
      for await _ in begun { break }
      #expect(try await service.messages(of: account).count == 2)
      let other = try await service.engine.openRaw(small, of: account)
      #expect(try await other.collect(upTo: 1 << 20).bytes == SampleMail.message(7))
      try await dovecot.deliver(SampleMail.message(8), to: user)
      try await eventually("new mail comes in") {
        try await service.messages(of: account).count == 3
      }
      opensGate.yield()
      #expect(try await Int64(download.value) == rows[1].size)
    }
  }

  @Test func `a message or part that is not there is not found`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: 1)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      let id = try await service.messages(of: account)[0].id
      for (message, part) in [(id, "9"), (id, "x"), (ID<Message>(3), "1")] {
        await #expect(throws: ServiceError.self) {
          _ = try await service.engine.openPart(message, of: account, partID: part)
        }
      }
    }
  }
}
