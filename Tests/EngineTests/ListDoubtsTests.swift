import Model
import Net
import Testing

@testable import Engine

@Suite("Doubts about a list") struct ListDoubtsTests {
  private let mailbox: Set<ID<Mailbox>> = [ID(1)]

  /// A server of which each second list leaves a mailbox out.
  @Test func `connections for new doubts become rarer, and the first one after a calm is at once`()
  {
    var doubts = ListDoubts(first: .seconds(1), longest: .seconds(600), interval: .seconds(60))
    var now = Deadline.now
    var connections = 0
    doubts.begin(with: [], at: now)
    for _ in 0..<10_000 {
      if doubts.asksForConnection(mailbox, at: now) {
        connections += 1
        doubts.begin(with: [], at: now)
      }
      now += .milliseconds(100)
    }
    #expect((2...15).contains(connections))
    now += .seconds(3600)
    let asks = [.zero, .milliseconds(100), .seconds(3)].map { (wait: Duration) in
      doubts.asksForConnection(mailbox, at: now + wait)
    }
    #expect(asks == [true, false, true])
  }
}
