import Engine
import MailProtocols
import MailTransport
import Model
import Postgres
import TestSupport
import Testing

@testable import Store

@Suite("Messages that others mark for deletion", .serialized, .timeLimit(.minutes(6)))
struct VisibilityTests {
  private func changes(
    _ account: ID<Account>,
    since state: FeedState,
    _ service: TestService
  ) async throws -> ChangeSet {
    try await service.store.changes(of: account, since: state, limit: 1000)
  }

  @Test func `the feed says that they are gone, and here again`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: 2)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      let begin = try await service.store.feedState(of: account)
      let message = try await service.messages(of: account)[0]
      let id = message.id.rawValue
      let thread = message.threadID.rawValue
      let other = try await service.otherClient(dovecot, user)
      try await other.select(.inbox)
      try await other.store(UIDSet(UID(2)), .add, [.deleted])
      try await eventually("it is hidden") { try await service.messages(of: account).count == 1 }
      var told = try await changes(account, since: begin, service)
      #expect(told.messages == ChangeSet.Ids(destroyed: [id]))
      #expect(told.threads == ChangeSet.Ids(destroyed: [thread]))

      // What becomes of it meanwhile nobody is told.
      let hidden = try await service.store.feedState(of: account)
      try await other.store(UIDSet(UID(2)), .add, [.flagged])
      try await eventually("the flag is there") {
        try await service.number(
          "select count(*) from placement where is_deleted and '$flagged' = any (keywords)"
        ) == 1
      }
      told = try await changes(account, since: hidden, service)
      #expect(told.messages == ChangeSet.Ids() && told.threads == ChangeSet.Ids())

      try await other.store(UIDSet(UID(2)), .remove, [.deleted])
      try await eventually("it is back") { try await service.messages(of: account).count == 2 }
      told = try await changes(account, since: hidden, service)
      #expect(told.messages == ChangeSet.Ids(created: [id]))
      #expect(told.threads == ChangeSet.Ids(created: [thread]))
      #expect(try await service.health(of: account) == [])
      other.close()
    }
  }

  @Test func `one that arrives so is told of when the mark is taken away`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: 1)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      let begin = try await service.store.feedState(of: account)
      let other = try await service.otherClient(dovecot, user)
      try await other.select(.inbox)
      _ = try await other.append(SampleMail.message(7), to: .inbox, flags: [.deleted])
      try await eventually("it is stored") {
        try await service.number("select count(*) from placement where is_deleted") == 1
      }
      var told = try await changes(account, since: begin, service)
      #expect(told.messages == ChangeSet.Ids() && told.threads == ChangeSet.Ids())
      try await other.store(UIDSet(UID(2)), .remove, [.deleted])
      try await eventually("it is shown") { try await service.messages(of: account).count == 2 }
      told = try await changes(account, since: begin, service)
      #expect(told.messages.created.count == 1 && told.messages.updated.isEmpty)
      #expect(told.threads.created.count == 1 && told.threads.updated.isEmpty)
      #expect(try await service.health(of: account) == [])
      other.close()
    }
  }
}
