import Model
import Net
import Testing

@testable import Engine

@Suite("Intents that wait") struct PostponedIntentsTests {
  private let first = ID<Message>(1)
  private let second = ID<Message>(2)

  @Test func `what only a pass can tell of waits for one that begins later`() {
    let postponed = PostponedIntents(EngineConfiguration())
    let now = Deadline.now
    postponed.addUntilPass(first, until: now)
    #expect(postponed.nextTry.map { $0 <= .now } == true)
    #expect(postponed.messages(at: now + .seconds(60)) == [first])
    // One that was under way may have been where the message is before it came there.
    postponed.endPass()
    #expect(postponed.messages(at: now + .seconds(60)) == [first])

    #expect(postponed.takesPass())
    #expect(!postponed.takesPass())
    #expect(postponed.nextTry == nil)
    postponed.addUntilPass(second, until: now + .seconds(90))
    #expect(Set(postponed.messages(at: now + .seconds(60))) == [first, second])
    postponed.endPass()
    #expect(postponed.messages(at: now + .seconds(60)) == [second])

    #expect(postponed.takesPass())
    postponed.endPass()
    #expect(postponed.messages(at: now + .seconds(60)) == [second])
    #expect(postponed.nextTry == now + .seconds(90))
    #expect(postponed.messages(at: now + .seconds(90)).isEmpty)
  }
}
