import Engine
import MailProtocols
import MailTransport
import Model
import Postgres
import Store
import TestSupport
import Testing

@Suite("Intents that overtake one another", .serialized, .timeLimit(.minutes(6)))
struct MoveStormTests {
  private func moving(to mailboxes: Mailbox...) -> MessagePatch {
    var patch = MessagePatch()
    patch.mailboxes = mailboxes.map(\.id)
    return patch
  }

  @Test func `a storm of moves and copies loses no message and changes no id`() async throws {
    let dovecot = try await MailServers.dovecot
    let user = MailServers.user()
    try await dovecot.fill(user: user, count: 8)
    try await TestService.with { service in
      let account = try await service.addSyncedAccount(dovecot, user)
      let inbox = try await service.mailbox("INBOX", of: account)
      let kept = try await service.addMailbox("Kept", dovecot, account, user)
      let last = try await service.addMailbox("Last", dovecot, account, user)
      let ids = try await service.messages(of: account).map(\.id)
      let storm = [
        moving(to: kept, last), moving(to: inbox), moving(to: kept), moving(to: inbox),
        moving(to: last),
      ]
      for id in ids {
        for patch in storm {
          let outcomes = try await service.engine.changeMessages([id], of: account, patch)
          #expect(outcomes.allSatisfy { $0.error == nil })
        }
      }
      try await service.waitUntilReplayed(account)
      try await service.engine.syncNow(account)
      try await eventually("every UID is known") {
        try await service.messages(in: "Last", of: account).allSatisfy { $0.backendUID != nil }
      }
      let found = try await service.messages(in: "Last", of: account).map(\.id)
      #expect(Set(found) == Set(ids))
      #expect(found.count == ids.count)
      let other = try await service.otherClient(dovecot, user)
      #expect(try await uids(other, in: "Last").count == ids.count)
      #expect(try await uids(other, in: "INBOX") == [])
      #expect(try await uids(other, in: "Kept") == [])
      #expect(try await service.number("select count(*) from message") == Int64(ids.count))
      #expect(try await service.health(of: account) == [])
      other.close()
    }
  }
}
