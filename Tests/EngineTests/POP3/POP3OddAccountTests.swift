import Engine
import Model
import Net
import Store
import TestSupport
import Testing

@Suite("POP3 accounts at odd servers", .serialized, .timeLimit(.minutes(5)))
struct POP3OddAccountTests {
  typealias Quirk = SmallPOP3Server.Quirk

  /// Two that only their bodies tell apart, and that no server marked as its own.
  private static let plain = ["one", "two"].map { Array("Subject: plain\r\n\r\n\($0)\r\n".utf8) }

  private static func texts(_ mail: [[UInt8]]) -> [String] {
    mail.map { String(decoding: $0, as: UTF8.self) }.sorted()
  }

  @Test(
    arguments: [
      [.noUniqueIDs], [.noUniqueIDs, .noTop], [.noUniqueIDs, .noCapabilities],
      [.repeatedUniqueIDs, .pipelining], [.repeatedUniqueIDs, .noTop], [.changingUniqueIDs],
      [.changingUniqueIDs, .noTop, .pipelining], [.wrongOctetCounts, .pipelining],
      [.oneMessageASession], [.oneMessageASession, .noUniqueIDs],
      [.oneMessageASession, .changingUniqueIDs, .noTop], [.cutSecondMessage],
      [.cutSecondMessage, .noUniqueIDs], [.noTextDots], [.noTextDots, .changingUniqueIDs],
    ] as [Set<Quirk>]
  )
  func `all mail comes, each message once, whatever the server lacks`(_ quirks: Set<Quirk>)
    async throws
  {
    // Where no session shows two messages and no id lasts, two that are equal are one.
    let showsOne = !quirks.isDisjoint(with: [.oneMessageASession, .noTextDots])
    let copy = showsOne && quirks.contains(.changingUniqueIDs) ? letter("c") : letter("a")
    let mail = [letter("a"), letter("b"), copy] + Self.plain
    let server = try SmallPOP3Server(quirks: quirks)
    defer { server.stop() }
    for (index, message) in mail.enumerated() { server.add(message, uniqueID: "m\(index)") }
    try await TestService.with { service in
      let account = try await service.addAccount(
        TestService.pop3(port: server.port),
        mode: .disconnected
      )
      func drain(_ count: Int) async throws {
        try await eventually("\(count) messages") {
          if try await service.count(account) >= count { return true }
          try await service.look(server, account)
          return false
        }
      }
      try await drain(mail.count)
      try await service.restart()
      server.remove(uniqueID: "m1")
      server.add(letter("d"), uniqueID: "d")
      try await drain(mail.count + 1)
      for _ in 0..<3 { try await service.look(server, account) }
      #expect(try await service.raws(of: account) == Self.texts(mail + [letter("d")]))
      #expect(try await service.health(of: account) == [])
    }
  }

  @Test func `statusFields: what a server writes into a header makes no other message`()
    async throws
  {
    let server = try SmallPOP3Server(
      quirks: [.statusFields, .changingUniqueIDs, .noTop],
      messages: [letter("a"), letter("b")] + Self.plain
    )
    defer { server.stop() }
    try await TestService.with { service in
      let account = try await service.addAccount(server)
      for _ in 0..<3 { try await service.look(server, account) }
      #expect(try await service.count(account) == 4)
    }
  }

  @Test func `an id that comes again is another message if its content is`() async throws {
    let server = try SmallPOP3Server()
    defer { server.stop() }
    server.add(letter("a"), uniqueID: "1")
    try await TestService.with { service in
      let account = try await service.addAccount(server, mode: .offline)
      try await eventually("it is deleted there") { server.messages.isEmpty }
      for (name, count) in [("b", 2), ("c", 3), ("b", 3)] {
        server.add(letter(name), uniqueID: "1")
        try await service.engine.syncNow(account)
        try await eventually("\(name) is deleted there") { server.messages.isEmpty }
        #expect(try await service.count(account) == count)
      }
    }
  }

  @Test func `headers tell what is known where ids do not, and no body comes twice`()
    async throws
  {
    let server = try SmallPOP3Server(
      quirks: [.changingUniqueIDs, .pipelining],
      messages: (0..<50).map { letter("m\($0)") }
    )
    defer { server.stop() }
    try await TestService.with { service in
      let account = try await service.addAccount(server)
      for _ in 0..<2 { try await service.look(server, account) }
      #expect(server.commands.count { $0.hasPrefix("RETR") } == 50)
      #expect(try await service.count(account) == 50)
    }
  }
}
