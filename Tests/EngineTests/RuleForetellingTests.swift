import Model
import Postgres
import Rules
import Store
import TestSupport
import Testing

@testable import Engine

@Suite("What is foretold of rules", .serialized, .timeLimit(.minutes(3)))
struct RuleForetellingTests {
  /// What `:simulate` counts of the inbox, and what a run then did.
  private func foretellAndRun(
    _ account: ID<Account>,
    _ service: TestService
  ) async throws -> (foretold: RuleSummary, done: RuleSummary, simulated: [SimulatedMessage]) {
    let ids = try await service.messages(of: account).map(\.id)
    let simulated = try await service.engine.simulate(nil, on: ids, of: account)
    var foretold = RuleSummary()
    for message in simulated { foretold.count(message) }
    let job = try await RuleTests.run(account, service)
    let result = job.result
    return (foretold, try #require(RuleSummary(json: result)), simulated)
  }

  private func add(
    _ name: String,
    _ actions: String,
    to account: ID<Account>,
    _ service: TestService
  ) async throws {
    try await RuleTests.add(
      #"{"name":"\#(name)","when":{"subject":"\#(name)"},"trigger":"stored","actions":[\#(actions)]}"#,
      to: account,
      service
    )
  }

  @Test func `a run does what was foretold, and what is done already is not done again`()
    async throws
  {
    try await TestService.with { service in
      let account = try await RuleTests.localAccount(service)
      let gone = try await service.engine.createMailbox(account, name: "Gone", parent: nil)
      for (name, actions) in [
        ("lost", #"{"type":"move","mailbox":"\#(gone.id)"}"#),
        ("impossible", #"{"type":"move","mailbox":"a//b"}"#),
        ("copied", #"{"type":"copy","mailbox":"X"}"#),
        ("moved", #"{"type":"move","mailbox":"Y"}"#),
        ("there", #"{"type":"move","mailbox":"inbox"}"#),
        ("edited", #"{"type":"addHeader","name":"X-A","value":"1"}"#),
        ("sent", #"{"type":"redirect","to":"u@example.net"}"#),
        ("ended", #"{"type":"discard"}"#),
      ] {
        try await add(name, actions, to: account, service)
        _ = try await RuleTests.deliver("Subject: \(name)\n\nx\n", to: account, service)
      }
      try await service.engine.deleteMailbox(gone.id, of: account, isPermanent: true)
      let first = try await foretellAndRun(account, service)
      #expect(first.foretold == first.done)
      #expect(first.done.messages == 8 && first.done.matched == 8)
      #expect(first.done.moved == 1 && first.done.copied == 1 && first.done.discarded == 1)
      #expect(first.done.edited == 1 && first.done.sent == 0)
      let refused = Set(first.simulated.flatMap(\.refused).map(\.reason))
      #expect(refused == [.noMailbox, .storedMail])
      let second = try await foretellAndRun(account, service)
      #expect(second.foretold == second.done)
      #expect(second.done.messages == 6 && second.done.copied == 0 && second.done.edited == 0)
      #expect(second.done.moved == 0 && second.done.discarded == 0)
    }
  }

  @Test func `a message that was moved since stays where it is when the run is undone`()
    async throws
  {
    try await TestService.with { service in
      let account = try await RuleTests.localAccount(service)
      let actions = #"{"type":"move","mailbox":"X"},{"type":"addKeywords","keywords":["ruled"]}"#
      try await add("moved", actions, to: account, service)
      for body in ["one", "two"] {
        _ = try await RuleTests.deliver("Subject: moved\n\n\(body)\n", to: account, service)
      }
      let job = try await RuleTests.run(account, service)
      let moved = try await service.messages(in: "X", of: account).map(\.id)
      #expect(moved.count == 2)
      var patch = MessagePatch()
      patch.mailboxes = [try await service.mailbox("Archive", of: account).id]
      _ = try await service.engine.changeMessages([moved[0]], of: account, patch)
      let undo = try await service.engine.undoRules(job.id, of: account)
      try await eventually("it is undone") {
        try await service.store.job(undo.id)?.state == "done"
      }
      #expect(try await service.messages(in: "Archive", of: account).map(\.id) == [moved[0]])
      #expect(try await service.messages(of: account).map(\.id) == [moved[1]])
      #expect(try await service.messages(in: "X", of: account).isEmpty)
      let keywords = try await service.query(
        "select count(*) from placement where 'ruled' = any (keywords)"
      )
      #expect(try keywords.int64(0, 0) == 0)
    }
  }
}
