import Archives
import Engine
import Model
import Postgres
import Store
import TestSupport
import Testing

/// What an import leaves out, and says so.
extension ImportTests {
  @Test func `each folder of a Maildir is asked what it has already`() async throws {
    try await TestService.with(Self.small()) { service in
      let account = try await service.addLocalAccount()
      var archive: [UInt8] = []
      for path in ["cur/1", ".Sub/cur/2", ".Sub/cur/3", ".Sub.Deep/cur/3"] {
        let text = "Subject: \(path.suffix(1))\n\nx\n"
        TarWriter.write(path, Array(text.utf8).span, modifiedAt: 1_700_000_000, to: &archive)
      }
      TarWriter.finish(&archive)
      for counts in [(done: 4, skipped: 0), (done: 0, skipped: 4), (done: 0, skipped: 4)] {
        let job = try await Self.begin(service, account, .maildir, skipsDuplicates: true)
        let done = try await Self.send(archive, job, account, service)
        #expect(done.done == Int64(counts.done))
        #expect(done.skipped == Int64(counts.skipped))
      }
      #expect(try await Self.stored(service, account).count == 1)
      #expect(try await Self.stored(service, account, in: "Sub").count == 2)
      #expect(try await Self.stored(service, account, in: "Sub/Deep").count == 1)
    }
  }

  @Test(arguments: [40, 1000])
  func `what an account has room for is stored, and what it has none for is said truly`(
    _ batch: Int
  ) async throws {
    var options = Self.small()
    options.engine.importBatch = batch
    try await TestService.with(options) { service in
      let account = try await service.addLocalAccount(quotaBytes: 100_000)
      let message = ArchivedMessage(
        Array("Subject: x\n\n".utf8) + Array(repeating: 0x61, count: 985),
        receivedAt: 1_700_000_000
      )
      let last = ArchivedMessage(Array("Subject: small\n\n".utf8), receivedAt: 1_700_000_001)
      let archive = Self.archive(Array(repeating: message, count: 300) + [last])
      let job = try await Self.begin(service, account)
      let told = "The account may keep 100 bytes more, and the message has 999."
      await #expect {
        try await Self.send(archive, job, account, service)
      } throws: { error in
        let error = error as? ServiceError
        return error?.code == .overQuota && error?.message == told
      }
      let failed = try #require(try await service.store.job(job))
      #expect(failed.state == "failed")
      #expect(failed.done == 100)
      #expect(failed.errors == [told])
      #expect(try await Self.stored(service, account).count == 100)
      #expect(
        try await service.number("select kept_bytes from account where id = \(account.rawValue)")
          == 99_900
      )
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `a message that is too long is counted among those that were left out`() async throws {
    var options = Self.small()
    options.engine.messageBytes = 10_000
    try await TestService.with(options) { service in
      let account = try await service.addLocalAccount()
      let long = [20_000, 60_000].map { size in
        ArchivedMessage(
          Array("Subject: x\n\n".utf8) + Array(repeating: 0x61, count: size),
          receivedAt: 1_700_000_000
        )
      }
      let job = try await Self.begin(service, account)
      let done = try await Self.send(Self.archive(Self.samples(2) + long), job, account, service)
      #expect(done.done == 2)
      #expect(done.skipped == 2)
      #expect(done.errors.count == 2)
    }
  }

  @Test func `what is wrong is reported with its place, and an account that is full ends the job`()
    async throws
  {
    try await TestService.with(Self.small()) { service in
      let account = try await service.addLocalAccount(quotaBytes: 20_000)
      let job = try await Self.begin(service, account)
      let text = Array("junk\n".utf8) + Self.archive(Self.samples(2))
      let done = try await Self.send(text, job, account, service)
      #expect(done.done == 2)
      #expect(done.errors == ["At byte 0: there is something that is no message."])

      let large = ArchivedMessage(Array(repeating: 0x61, count: 30_000), receivedAt: 1)
      let full = try await Self.begin(service, account)
      await #expect(throws: ServiceError.self) {
        try await Self.send(Self.archive([large]), full, account, service)
      }
      let failed = try #require(try await service.store.job(full))
      #expect(failed.state == "failed")
      #expect(failed.errors.count == 1)
      #expect(try await Self.stored(service, account).count == 2)
    }
  }
}
