import Engine
import MIME
import Model
import Net
import Postgres
import Store
import TestSupport
import Testing

@Suite("Accounts without a server", .serialized, .timeLimit(.minutes(5)))
struct LocalAccountTests {
  private func keep(
    _ raw: [UInt8],
    in path: String = "INBOX",
    of account: ID<Account>,
    _ service: TestService
  ) async throws -> ID<Message> {
    try await service.engine.importMessage(
      raw,
      into: try await service.mailbox(path, of: account).id,
      of: account,
      keywords: [],
      receivedAt: nil
    )
  }

  private func raw(_ id: ID<Message>, of account: ID<Account>, _ service: TestService)
    async throws -> [UInt8]
  {
    try await service.engine.openRaw(id, of: account).collect(upTo: 64 << 20).bytes
  }

  /// Delivers messages until one fails; those that were answered.
  private static func deliverUntilCut(
    _ indices: Range<Int>,
    into mailbox: ID<Mailbox>,
    of account: ID<Account>,
    _ engine: Engine
  ) async -> Set<ID<Message>> {
    var answered: Set<ID<Message>> = []
    do {
      for index in indices {
        let id = try await engine.importMessage(
          SampleMail.message(index),
          into: mailbox,
          of: account,
          keywords: [],
          receivedAt: nil
        )
        answered.insert(id)
      }
    } catch {
      // Cut off by the kill: no success.
    }
    return answered
  }

  @Test func `messages delivered at once by many are all there, and share transactions`()
    async throws
  {
    try await TestService.with { service in
      let account = try await service.addLocalAccount()
      let inbox = try await service.mailbox("INBOX", of: account).id
      let ids = try await withThrowingTaskGroup(of: ID<Message>.self) { group in
        for index in 0..<200 {
          group.addTask(executorPreference: service.group.loops[index % 2]) {
            try await service.engine.importMessage(
              SampleMail.message(index),
              into: inbox,
              of: account,
              keywords: [],
              receivedAt: nil
            )
          }
        }
        return try await group.reduce(into: Set()) { $0.insert($1) }
      }
      #expect(ids.count == 200)
      #expect(try await service.mailbox("INBOX", of: account).totalMessages == 200)
      #expect(
        try await service.number("select count(*) from change where noun = 'message'") < 200
      )
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `what was answered outlives a kill, and is there once`() async throws {
    try await TestService.with { service in
      let account = try await service.addLocalAccount()
      let inbox = try await service.mailbox("INBOX", of: account).id
      var answered: Set<ID<Message>> = []
      for round in 0..<5 {
        let engine = try service.engine
        let before = try await service.number("select count(*) from message")
        let deliveries = Task(executorPreference: service.group.loops[1]) {
          await withTaskGroup(of: Set<ID<Message>>.self) { group in
            for lane in 0..<8 {
              group.addTask {
                await Self.deliverUntilCut(
                  round * 1000 + lane * 100..<round * 1000 + lane * 100 + 100,
                  into: inbox,
                  of: account,
                  engine
                )
              }
            }
            return await group.reduce(into: Set()) { $0.formUnion($1) }
          }
        }
        try await eventually("some were delivered") {
          try await service.number("select count(*) from message") > before + 20
        }
        try await service.kill()
        answered.formUnion(await deliveries.value)
      }
      let rows = try await service.query(
        "select id from message where account_id = \(account.rawValue)"
      )
      let stored = Set(try (0..<rows.count).map { ID<Message>(try rows.int64($0, 0)) })
      #expect(answered.isSubset(of: stored))
      // What was committed when the kill came may not have been answered any more: one batch a lane.
      #expect(stored.count <= answered.count + 5 * 8)
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `who gives up takes no delivery of another with it`() async throws {
    try await TestService.with { service in
      let account = try await service.addLocalAccount()
      let inbox = try await service.mailbox("INBOX", of: account).id
      let outcomes = await withTaskGroup(of: Bool.self) { group in
        for index in 0..<20 {
          group.addTask {
            let task = Task {
              try await service.engine.importMessage(
                SampleMail.message(index),
                into: inbox,
                of: account,
                keywords: [],
                receivedAt: nil
              )
            }
            if index % 2 == 0 { task.cancel() }
            let isKept = (try? await task.value) != nil  // Its failure is the answer.
            return index % 2 == 0 || isKept
          }
        }
        return await group.reduce(into: []) { $0.append($1) }
      }
      #expect(outcomes.allSatisfy { $0 })
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `bytes, parts and texts are those that came, with CRLF`() async throws {
    try await TestService.with { service in
      let account = try await service.addLocalAccount()
      for index in 0..<SampleMail.Kind.allCases.count {
        let expected = LineEnds.canonical(SampleMail.message(index))
        let id = try await keep(SampleMail.message(index), of: account, service)
        #expect(try await raw(id, of: account, service) == expected)
      }
      let bare = try await keep(Array("Subject: x\n\none\ntwo\r\n".utf8), of: account, service)
      #expect(
        try await raw(bare, of: account, service) == Array("Subject: x\r\n\r\none\r\ntwo\r\n".utf8)
      )
      let size = 3 * 1024 * 1024
      let large = try await keep(
        SampleMail.withAttachment(ofSize: size),
        of: account,
        service
      )
      let part = try await service.engine.openPart(large, of: account, partID: "2")
      let content = try await part.collect(upTo: 2 * size).bytes
      #expect(content == (0..<size).map { UInt8(truncatingIfNeeded: $0 * 31) })
      let base64 = try await keep(SampleMail.message(1, kind: .base64), of: account, service)
      let texts = try await service.engine.bodyValues(base64, of: account, limit: 1 << 20)
      #expect(texts.first?.value.hasPrefix("Schöne Grüße 🌿") == true)
      await #expect(throws: ServiceError.self) {
        _ = try await service.engine.openPart(bare, of: account, partID: "7")
      }
    }
  }

  @Test func `a message is taken piece by piece, up to the longest that may come`() async throws {
    var options = TestService.Options()
    options.engine.messageBytes = 10_000
    try await TestService.with(options) { service in
      let account = try await service.addLocalAccount()
      let inbox = try await service.mailbox("INBOX", of: account).id
      let expected = SampleMail.message(3, kind: .plain)
      func deliver(_ raw: [UInt8]) async throws -> ID<Message> {
        var rest = raw[...]
        return try await service.engine.deliver(into: inbox, of: account) {
          defer { rest = rest.dropFirst(7) }
          return rest.isEmpty ? nil : Array(rest.prefix(7))
        }
      }
      let id = try await deliver(expected)
      #expect(try await raw(id, of: account, service) == expected)
      let tooLong = [UInt8](repeating: 0x61, count: 10_001)
      do {
        _ = try await deliver(tooLong)
        Issue.record("it was taken")
      } catch let error as ServiceError {
        #expect(error.code == .bodyTooLarge)
      }
      #expect(try await service.mailbox("INBOX", of: account).totalMessages == 1)
    }
  }

  @Test func `mailboxes are made, moved and deleted without anybody's leave`() async throws {
    try await TestService.with { service in
      let engine = try service.engine
      let account = try await service.addLocalAccount()
      let made = try await engine.createMailbox(account, name: "Projekte", parent: nil)
      let child = try await engine.createMailbox(account, name: "Köln", parent: made.id)
      #expect(child.path == "Projekte/Köln" && child.parentID == made.id && child.isLocal)
      let id = try await keep(SampleMail.message(1), in: "Projekte/Köln", of: account, service)
      _ = try await engine.updateMailbox(
        made.id,
        of: account,
        name: "Works",
        parent: nil,
        isSubscribed: false
      )
      #expect(try await service.mailbox("Works/Köln", of: account).id == child.id)
      #expect(try await service.mailbox("Works", of: account).isSubscribed == false)
      for (name, parent) in [("inbox", nil), ("Köln", made.id), ("Sent", nil)] {
        await #expect(throws: ServiceError.self) {
          _ = try await engine.createMailbox(account, name: name, parent: parent)
        }
      }
      let inbox = try await service.mailbox("INBOX", of: account).id
      for mailbox in [child.id, made.id, inbox] {
        await #expect(throws: ServiceError.self) {
          try await engine.deleteMailbox(mailbox, of: account, isPermanent: false)
        }
      }
      try await engine.deleteMailbox(child.id, of: account, isPermanent: true)
      try await engine.deleteMailbox(made.id, of: account, isPermanent: false)
      #expect(try await service.store.message(id, of: account).count == 0)
      #expect(try await service.store.mailboxes(of: account).mailboxes.count == 6)
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `texts and header fields are found, and nothing is missing`() async throws {
    try await TestService.with { service in
      let account = try await service.addLocalAccount()
      let mail = Array("Subject: m1\r\nX-Ship: Zeppelin\r\n\r\nThe quick brown fox\r\n".utf8)
      let id = try await keep(mail, of: account, service)
      _ = try await keep(SampleMail.message(1), of: account, service)
      func find(_ text: String) async throws -> [ID<Message>] {
        var query = MessageQuery()
        query.search = try SearchParser.parse(text)
        let findings = try await service.engine.find(query, of: account)
        #expect(findings.gaps.isEmpty)
        return try await service.store.messageIDs(of: account, query, findings, limit: 9)
      }
      for text in ["body:brow", "quick", "header:X-Ship=zepp", "subject:m1 body:\"brown fox\""] {
        try await eventually("\(text) is found") { try await find(text) == [id] }
      }
      #expect(try await find("body:nowhere").isEmpty)
    }
  }

  @Test func `a job goes on after a restart`() async throws {
    try await TestService.with { service in
      let account = try await service.addLocalAccount()
      for index in 0..<5 { _ = try await keep(SampleMail.message(index), of: account, service) }
      let archive = try await service.mailbox("Archive", of: account).id
      let ids = try await service.messages(of: account).map(\.id.rawValue)
      await service.stop()
      // Queued while nothing runs, as by a service that stopped at once.
      let job = try await service.store.insertJob(
        kind: "changeMessages",
        of: account,
        request: """
          {"messages":\(ids),"isPermanent":false,"patch":{"mailboxes":[\(archive.rawValue)]}}
          """
      )
      try await service.start()
      try await eventually("the job is done") {
        try await service.store.job(job.id)?.state == "done"
      }
      #expect(try await service.messages(in: "Archive", of: account).count == 5)
      #expect(try await service.store.account(account)?.state == .ready)
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `what is sent through a server leaves its copy here`() async throws {
    let (dovecot, postfix) = (try await MailServers.dovecot, try await MailServers.postfix)
    let recipient = MailServers.user()
    try await TestService.with { service in
      let account = try await service.addLocalAccount(MailServers.user(), smtp: postfix)
      let answered = try await keep(SampleMail.message(1), of: account, service)
      var message = ComposedMessage()
      message.to = [Address(email: dovecot.address(of: recipient))]
      message.subject = "Übersicht"
      message.text = "Grüße\n"
      var draft = SubmissionDraft(content: .composed(message))
      draft.inReplyToMessage = answered
      let queued = try await service.engine.submit(draft, of: account)
      try await eventually("it arrives") { try await dovecot.messageCount(user: recipient) == 1 }
      try await eventually("the copy is in Sent") {
        try await service.messages(in: "Sent", of: account).count == 1
      }
      let copy = try await service.messages(in: "Sent", of: account)[0]
      #expect(copy.subjectText == "Übersicht")
      #expect(try copy.keywordList == ["$seen"])
      #expect(try await service.messages(of: account)[0].keywordList == ["$answered"])
      #expect(try await service.store.submission(queued.id, of: account)?.state == "sent")
      #expect(try await service.health(of: account) == [])
    }
  }
}
