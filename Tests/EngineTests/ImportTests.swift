import Archives
import Bytes
import Engine
import Model
import Net
import Postgres
import Store
import Synchronization
import TestSupport
import Testing

@Suite("Imports and exports", .serialized, .timeLimit(.minutes(5)))
struct ImportTests {
  /// A message as it stands in a mailbox.
  struct Stored: Equatable {
    var raw: [UInt8]
    var keywords: [String]
    var receivedAt: Int64
  }

  static func samples(_ count: Int) -> [ArchivedMessage] {
    (0..<count).map { index in
      ArchivedMessage(
        SampleMail.message(index),
        keywords: index.isMultiple(of: 3) ? ["$seen", "work"] : [],
        receivedAt: Int64(SampleMail.date(index))
      )
    }
  }

  static func archive(
    _ messages: [ArchivedMessage],
    _ format: ArchiveFormat = .mbox
  ) -> [UInt8] {
    var writer = ArchiveWriter(format, keywords: Set(messages.flatMap(\.keywords)))
    var output: [UInt8] = []
    writer.begin(&output)
    for message in messages { writer.write(message, to: &output) }
    writer.finish(&output)
    return output
  }

  static func begin(
    _ service: TestService,
    _ account: ID<Account>,
    _ format: ArchiveFormat = .mbox,
    skipsDuplicates: Bool = false
  ) async throws -> ID<Job> {
    let mailbox = try await service.mailbox("INBOX", of: account).id
    let request = ImportRequest(
      format: format,
      mailbox: mailbox,
      skipsDuplicates: skipsDuplicates
    )
    return try await service.engine.createImport(request, of: account).id
  }

  /// Sends an archive from where the job wants it, in pieces; `between` is called before each.
  @discardableResult
  static func send(
    _ bytes: [UInt8],
    _ job: ID<Job>,
    _ account: ID<Account>,
    _ service: TestService,
    pieces size: Int = 20_000,
    between: @escaping @Sendable (Int) async throws -> Void = { _ in }
  ) async throws -> JobRecord {
    let position = try await service.store.job(job)?.position ?? 0
    var start = Int(position)
    return try await service.engine.receiveArchive(of: job, of: account, from: position) {
      try await between(start)
      guard start < bytes.count else { return nil }
      let piece = Array(bytes[start..<min(bytes.count, start + size)])
      start += piece.count
      return piece
    }
  }

  static func stored(
    _ service: TestService,
    _ account: ID<Account>,
    in path: String = "INBOX"
  ) async throws -> [Stored] {
    let mailbox = try await service.mailbox(path, of: account).id
    var query = MessageQuery()
    query.mailbox = mailbox
    (query.sort, query.isAscending) = (.receivedAt, true)
    let ids = try await service.store.messageIDs(of: account, query, limit: 10_000)
    var found: [Stored] = []
    for row in try await service.store.exportedMessages(ids, in: mailbox, of: account) {
      let blob = try #require(row.blob)
      found.append(
        Stored(
          raw: try await service.store.blob(blob, of: account),
          keywords: row.keywords,
          receivedAt: row.receivedAt
        )
      )
    }
    return found
  }

  private static func export(
    _ service: TestService,
    _ account: ID<Account>,
    _ format: ArchiveFormat
  ) async throws -> [UInt8] {
    let bytes = Gathered()
    let export = try await service.engine.export(
      MessageQuery(),
      role: "inbox",
      of: account,
      as: format
    )
    try await export.stream { bytes.append($0) }
    return bytes.all
  }

  static func small() -> TestService.Options {
    var options = TestService.Options()
    options.engine.importBatch = 40
    options.engine.exportBatch = 30
    return options
  }

  @Test func `an mbox becomes messages with their flags, dates and threads, counted as they are`()
    async throws
  {
    try await TestService.with(Self.small()) { service in
      let account = try await service.addLocalAccount()
      let messages = Self.samples(150)
      let archive = Self.archive(messages)
      let job = try await Self.begin(service, account)
      let done = try await Self.send(archive, job, account, service)
      #expect(done.state == "done")
      #expect(done.done == 150)
      #expect(done.position == Int64(archive.count))
      #expect(done.errors == [])
      let stored = try await Self.stored(service, account)
      #expect(stored.map(\.raw) == messages.map(\.raw))
      #expect(stored.map(\.keywords) == messages.map(\.keywords))
      #expect(stored.map(\.receivedAt) == messages.map { $0.receivedAt ?? 0 })
      #expect(try await service.mailbox("INBOX", of: account).totalMessages == 150)
      #expect(try await service.health(of: account) == [])
      #expect(
        try await service.number("select count(distinct thread_id) from message") < 150
      )
      // A batch tells the feed once.
      #expect(try await service.number("select count(*) from change where noun = 'message'") <= 8)
    }
  }

  @Test(arguments: [ArchiveFormat.mbox, .maildir, .rnews])
  func `what goes out comes back byte for byte, with flags and dates`(
    _ format: ArchiveFormat
  ) async throws {
    try await TestService.with(Self.small()) { service in
      let odd: [[UInt8]] =
        [
          "", "\n", "no header", "From here\n", ">From there\n",
          "A: b\n\nFrom x\n>From y\n>>From z\n",
          "A: b\n\nbare\rcr", "A: b\n\nno end", "A: b\n\nnul\u{0}nul\n", "Status: RO\nA: b\n\nx\n",
          "Content-Length: 3\nA: b\n\nxyzxyz\n", "#! rnews 5\nA: b\n", "A: ü\n\né\n\n\n\n",
          "X-Restante-Archive: fields=1; form=lf\nStatus: RO\n\nx",
        ].map { Array($0.utf8) } + [[0xFF, 0xFE, 0x0A, 0x80], [0x0D, 0x0A, 0x2E]]
      let messages = odd.enumerated().map { index, raw in
        ArchivedMessage(
          raw,
          keywords: ["$flagged", "$junk", "$seen", "work"].enumerated()
            .filter { index >> $0.offset & 1 == 1 }.map(\.element),
          receivedAt: 1_700_000_000 + Int64(index) * 61
        )
      }
      let first = try await service.addLocalAccount("alice")
      let mailbox = try await service.mailbox("INBOX", of: first).id
      for message in messages {
        _ = try await service.engine.importMessage(
          message.raw,
          into: mailbox,
          of: first,
          keywords: message.keywords,
          receivedAt: message.receivedAt.map { Timestamp(seconds: $0) }
        )
      }
      let stored = try await Self.stored(service, first)
      #expect(stored.count == messages.count)
      let archive = try await Self.export(service, first, format)
      let second = try await service.addLocalAccount("bob")
      let job = try await Self.begin(service, second, format)
      let done = try await Self.send(archive, job, second, service, pieces: 700)
      #expect(done.errors == [])
      #expect(try await Self.stored(service, second) == stored)
      #expect(try await Self.export(service, second, format) == archive)
    }
  }

  @Test func `an import that is killed again and again stores each message once`() async throws {
    try await TestService.with(Self.small()) { service in
      let account = try await service.addLocalAccount()
      let messages = Self.samples(400)
      let archive = Self.archive(messages)
      let job = try await Self.begin(service, account)
      for kill in 1...4 {
        await #expect(throws: (any Error).self) {
          try await Self.send(archive, job, account, service, pieces: 3000) { _ in
            let done = try await service.number("select done from job where id = \(job.rawValue)")
            guard done >= Int64(kill) * 60 else { return }
            // While the next batches are on their way.
            try await service.kill()
            throw CancellationError()
          }
        }
      }
      let done = try await Self.send(archive, job, account, service)
      #expect(done.state == "done")
      #expect(done.done == 400)
      #expect(try await Self.stored(service, account).map(\.raw) == messages.map(\.raw))
      #expect(try await service.health(of: account) == [])
      await #expect(throws: ServiceError.self, "it has ended") {
        try await Self.send(archive, job, account, service)
      }
    }
  }

  @Test func `of an upload that breaks off every message that came whole is kept`() async throws {
    try await TestService.with(Self.small()) { service in
      let account = try await service.addLocalAccount()
      let messages = Self.samples(100)
      let archive = Self.archive(messages)
      let job = try await Self.begin(service, account)
      await #expect(throws: CancellationError.self) {
        try await Self.send(archive, job, account, service, pieces: 3000) { start in
          if start > archive.count * 9 / 10 { throw CancellationError() }
        }
      }
      let broken = try #require(try await service.store.job(job))
      #expect(broken.done >= 85 && broken.position > Int64(archive.count * 8 / 10))
      let done = try await Self.send(archive, job, account, service)
      #expect(done.done == 100)
      #expect(try await Self.stored(service, account).map(\.raw) == messages.map(\.raw))
    }
  }

  @Test func `a cancelled import stops, and whoever comes later takes one over`() async throws {
    try await TestService.with(Self.small()) { service in
      let account = try await service.addLocalAccount()
      let archive = Self.archive(Self.samples(200))
      let job = try await Self.begin(service, account)
      await #expect(throws: ServiceError.self) {
        try await Self.send(archive, job, account, service, pieces: 5000) { start in
          guard start > archive.count / 2 else { return }
          _ = try await service.engine.cancelJob(job)
        }
      }
      let cancelled = try #require(try await service.store.job(job))
      #expect(cancelled.state == "cancelled")
      #expect(cancelled.done < 200)
      #expect(try await Self.stored(service, account).count == Int(cancelled.done))

      let other = try await Self.begin(service, account)
      await #expect(throws: ServiceError.self) {
        try await Self.send(archive, other, account, service, pieces: 5000) { start in
          guard start > archive.count / 2 else { return }
          let position = try await service.store.job(other)?.position ?? 0
          _ = try await service.store.claimImport(other, of: account, from: position)
        }
      }
      let done = try await Self.send(archive, other, account, service)
      #expect(done.done == 200)
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `messages that are there already are left out where that is asked for`() async throws {
    try await TestService.with(Self.small()) { service in
      let account = try await service.addLocalAccount()
      let messages = Self.samples(60)
      let job = try await Self.begin(service, account)
      try await Self.send(Self.archive(Array(messages[..<50])), job, account, service)
      let again = try await Self.begin(service, account, skipsDuplicates: true)
      let done = try await Self.send(
        Self.archive(messages + messages),
        again,
        account,
        service
      )
      #expect(done.done == 10)
      #expect(done.skipped == 110)
      #expect(try await Self.stored(service, account).count == 60)
    }
  }

  @Test func `the folders of a Maildir become mailboxes`() async throws {
    try await TestService.with(Self.small()) { service in
      let account = try await service.addLocalAccount()
      var archive: [UInt8] = []
      for path in ["cur/1:2,S", ".Sent/cur/2:2,", ".Lists.Swift/cur/3:2,", ".Lists.Swift/new/4"] {
        TarWriter.write(
          "Maildir/\(path)",
          Array("Subject: \(path)\n\nx\n".utf8).span,
          modifiedAt: 1_700_000_000,
          to: &archive
        )
      }
      TarWriter.finish(&archive)
      let job = try await Self.begin(service, account, .maildir)
      let done = try await Self.send(archive, job, account, service)
      #expect(done.done == 4)
      #expect(done.errors == [])
      #expect(try await Self.stored(service, account).map(\.keywords) == [["$seen"]])
      #expect(try await Self.stored(service, account, in: "Sent").count == 1)
      #expect(try await Self.stored(service, account, in: "Lists/Swift").count == 2)
    }
  }

  @Test func `a folder that no mailbox can be called, and a date to come, cost no message`()
    async throws
  {
    try await TestService.with(Self.small()) { service in
      let account = try await service.addLocalAccount()
      var archive: [UInt8] = []
      for path in ["cur/1:2,S", ".Good.bad\u{7}/cur/2:2,", ".Good.bad\u{7}/cur/3:2,"] {
        TarWriter.write(
          "Maildir/\(path)",
          Array("Subject: x\n\n\(path)\n".utf8).span,
          modifiedAt: 1 << 35,  // The year 3058.
          to: &archive
        )
      }
      TarWriter.finish(&archive)
      let job = try await Self.begin(service, account, .maildir)
      let done = try await Self.send(archive, job, account, service)
      #expect(done.state == "done")
      #expect(done.done == 3)
      #expect(
        done.errors == [
          "At byte 2048: no mailbox can have the folder's name; its messages are in the one above."
        ]
      )
      let inbox = try await Self.stored(service, account)
      #expect(inbox.count == 1)
      #expect(try await Self.stored(service, account, in: "Good").count == 2)
      #expect(inbox.allSatisfy { $0.receivedAt < 1 << 33 })
    }
  }

  @Test func `an archive that inflates to very much is read to its end`() async throws {
    try await TestService.with(Self.small()) { service in
      let account = try await service.addLocalAccount()
      let directory = try TemporaryDirectory("archive")
      let message = ArchivedMessage(
        Array("Subject: x\n\n".utf8) + Array(repeating: 0x61, count: 3_000_000),
        receivedAt: 1_700_000_000
      )
      try directory.write(Self.archive([message, message]), to: "mail")
      _ = try await Command.run(["gzip", directory.file("mail")])
      let job = try await Self.begin(service, account)
      let packed = try directory.read("mail.gz")
      #expect(packed.count < 20_000)  // One piece.
      #expect(try await Self.send(packed, job, account, service).done == 2)
    }
  }
}

/// Bytes that are gathered on whatever thread.
private final class Gathered: Sendable {
  private let bytes = Mutex<[UInt8]>([])

  var all: [UInt8] { bytes.withLock { $0 } }

  func append(_ more: [UInt8]) { bytes.withLock { $0 += more } }
}
