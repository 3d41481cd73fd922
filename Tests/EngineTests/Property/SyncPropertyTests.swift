import Engine
import Foundation
import MailProtocols
import MailTransport
import Model
import Net
import Postgres
import Store
import TestSupport
import Testing

@testable import Engine

/// Two other clients use a mailbox at random while the service syncs it, changes it, is killed and restarted.
///
/// At each quiet point what the service has must be what the server says, what a caller knows who
/// followed `/changes` must be what a list shows, and no id may have changed. The operations come from a
/// seed, which a failure prints: `RESTANTE_SEED=… make test ARGS="--filter SyncProperty"` runs them again,
/// as far as the server's and the service's own timing allows. `RESTANTE_OPERATIONS` sets how many, and
/// `RESTANTE_SERVER` (full, condstore, bare) runs one kind of server alone.
@Suite("Sync under random use", .serialized, .timeLimit(.minutes(180)))
struct SyncPropertyTests {
  private static var environment: [String: String] { ProcessInfo.processInfo.environment }

  struct Server: CustomTestStringConvertible, Sendable {
    var name: String
    var capabilities: String?
    var testDescription: String { name }

    static let all = [
      Server(name: "full"),
      Server(
        name: "condstore",
        capabilities: "IMAP4rev1 ENABLE CONDSTORE UIDPLUS MOVE IDLE LIST-STATUS LIST-EXTENDED"
      ),
      Server(name: "bare", capabilities: "IMAP4rev1"),
    ].filter { [nil, $0.name].contains(environment["RESTANTE_SERVER"]) }
  }

  @Test(arguments: Server.all)
  func `what is here is what the server has, the feed tells it all, and ids stay`(
    _ server: Server
  ) async throws {
    try await run(server, operations: 500)
  }

  @Test(arguments: Server.all)
  func `the same of a disconnected account, whose server is away for long`(
    _ server: Server
  ) async throws {
    try await run(server, operations: 100, isCut: true)
  }

  private func run(_ server: Server, operations usual: Int, isCut: Bool = false) async throws {
    // What `make test` runs is the same each time; `make soak` draws.
    let count = Self.environment["RESTANTE_OPERATIONS"].flatMap { Int($0) }
    let operations = count ?? usual
    let seed =
      Self.environment["RESTANTE_SEED"].flatMap { UInt64($0) }
      ?? (count == nil ? 2 : UInt64.random(in: 0 ... .max))
    var options = DovecotServer.Options()
    options.capabilities = server.capabilities
    let dovecot = try await MailServers.own(options)
    try await TestService.with(Self.options) { service in
      let use = RandomMailUse(seed: seed, dovecot: dovecot, user: "alice") {
        try await service.otherClient(dovecot, "alice")
      }
      do {
        let way =
          isCut ? try TapProxy(to: dovecot.imapPort, on: service.group.loops[0]) : nil
        var run = try await PropertyRun(use, seed, dovecot, service, by: way)
        try await run.perform(operations)
        await way?.stop()
      } catch {
        Issue.record(
          "\(error)\nseed \(seed), \(server.name):\n\(use.log.suffix(300).joined(separator: "\n"))"
        )
      }
      use.finish()
    }
    await dovecot.stop()
  }

  private static var options: TestService.Options {
    var options = TestService.Options()
    options.engine.firstBatch = 3
    options.engine.batch = 7
    options.engine.newestFlags = 3
    options.engine.olderFlags = 25
    options.engine.rematchSlice = 11
    // Dovecot makes its index of the mailboxes anew now and then, and a session that is older sees none of what follows.
    options.engine.sessionLifetime = .seconds(20)
    options.engine.askedSessionLifetime = .seconds(10)
    return options
  }
}
