import Engine
import Foundation
import MailProtocols
import MailTransport
import Model
import Net
import Store
import TestSupport
import Testing

@Suite("One connection watches all mailboxes", .serialized, .timeLimit(.minutes(6)))
struct NotifyWatchTests {
  @Test func `with NOTIFY changes in any mailbox arrive, and no poll looks for them`()
    async throws
  {
    let dovecot = try await MailServers.own()
    try await dovecot.fill(user: "alice", count: 2)
    try await dovecot.fill(user: "alice", mailbox: "Archive", count: 4)
    try await TestService.with { service in
      let proxy = try TapProxy(to: dovecot.imapPort, on: service.group.loops[0])
      let account = try await service.addAccount(TestService.imap(port: proxy.port))
      try await service.waitUntilReady(account)
      try await eventually("it is watched") {
        try service.engine.connection(of: account).watching?.means == .notify
      }
      let other = try await service.otherClient(dovecot, "alice")
      _ = try await other.append(SampleMail.message(20), to: MailboxName("Archive"))
      try await eventually("the message is there") {
        try await service.messages(in: "Archive", of: account).count == 5
      }
      try await other.select(MailboxName("Archive"))
      try await other.store(UIDSet(3), .add, [.flagged])
      try await eventually("the flag is there") {
        try await service.messages(in: "Archive", of: account).contains {
          try $0.backendUID == 3 && $0.keywordList.contains("$flagged")
        }
      }
      let moved = try await service.messages(of: account).map(\.id)
      try await other.select(.inbox)
      try await other.move(UIDSet([1, 2]), to: MailboxName("Archive"))
      try await eventually("what moved is there, under its id") {
        Set(try await service.messages(in: "Archive", of: account).map(\.id)).isSuperset(of: moved)
      }
      try await other.create(MailboxName("Made"))
      try await other.rename(MailboxName("Made"), to: MailboxName("Renamed"))
      _ = try await other.append(SampleMail.message(21), to: MailboxName("Renamed"))
      try await eventually("the new mailbox and what is in it") {
        guard
          try await service.store.mailboxes(of: account).mailboxes
            .contains(where: { $0.path == "Renamed" })
        else { return false }
        return try await service.messages(in: "Renamed", of: account).count == 1
      }
      try await other.delete(MailboxName("Renamed"))
      try await eventually("it is gone") {
        try await !service.store.mailboxes(of: account).mailboxes
          .contains { $0.path == "Renamed" || $0.path == "Made" }
      }
      #expect(try await service.health(of: account) == [])
      #expect(proxy.requests.count == 2)
      other.close()
      await proxy.stop()
    }
    await dovecot.stop()
  }

  @Test func `what our own looks and intents make the server tell comes to an end`() async throws {
    let dovecot = try await MailServers.own()
    try await dovecot.fill(user: "alice", mailbox: "Archive", count: 4)
    try await TestService.with { service in
      let proxy = try TapProxy(to: dovecot.imapPort, on: service.group.loops[0])
      let account = try await service.addAccount(TestService.imap(port: proxy.port))
      try await service.waitUntilReady(account)
      try await eventually("it is watched") {
        try service.engine.connection(of: account).watching?.means == .notify
      }
      let message = try await service.messages(in: "Archive", of: account)[0].id
      var patch = MessagePatch()
      patch.addKeywords = ["$flagged"]
      _ = try await service.engine.changeMessages([message], of: account, patch)
      try await service.waitUntilReplayed(account)
      let other = try await service.otherClient(dovecot, "alice")
      for number in 1...5 {
        _ = try await other.append(SampleMail.message(20 + number), to: .inbox)
        try await eventually("message \(number)") {
          try await service.messages(of: account).count == number
        }
      }
      // An echo that answers itself would have opened Archive again and again meanwhile.
      let selects = proxy.requests.joined().joined().components(separatedBy: "SELECT \"Archive\"")
      #expect(selects.count <= 6, "\(selects.count - 1) times")
      other.close()
      await proxy.stop()
    }
    await dovecot.stop()
  }

  @Test func `where NOTIFY is refused or given up, IDLE on the inbox is left`() async throws {
    let greeting = "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\r\n"
    let login: [ScriptedServer.Step] = [
      .send(greeting), .expect("AUTHENTICATE"),
      .send("{tag} OK [CAPABILITY IMAP4rev1 IDLE NOTIFY] in\r\n"),
    ]
    let examine: [ScriptedServer.Step] = [
      .expect("EXAMINE"), .send("* 0 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n{tag} OK done\r\n"),
    ]
    let idle: [ScriptedServer.Step] = [.expect("IDLE"), .send("+ go on\r\n")]
    for answer in ["NO not now", "OK\r\n* OK [NOTIFICATIONOVERFLOW] too much"] {
      let command =
        login + [
          .expect("LIST"), .send("{tag} OK\r\n"), .expect("LSUB"), .send("{tag} OK\r\n"), .hang,
        ]
      let first = login + examine + [.expect("NOTIFY"), .send("{tag} \(answer)\r\n")] + idle
      let server = try ScriptedServer(scripts: [
        command, first + [.expect("DONE"), .send("A4 OK\r\n"), .hang],
        login + examine + idle + [.hang],
      ])
      defer { server.stop() }
      try await TestService.with { service in
        let account = try await service.addAccount(TestService.imap(port: server.port))
        try await eventually("it waits in IDLE") {
          try service.engine.connection(of: account).watching?.means == .idle
        }
        #expect(server.transcripts[1].contains("NOTIFY SET (selected ("))
      }
    }
  }
}
