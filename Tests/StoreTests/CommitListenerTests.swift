import Store
import Synchronization
import Testing

@Suite("Commit listener") struct CommitListenerTests {
  @Test func `telling a million times wraps the listener in nothing`() {
    // Each layer would be a frame of the last call: far more than a stack has.
    let told = Atomic(0)
    let commits = CommitListener()
    commits.listen { told.add(1, ordering: .relaxed) }
    for _ in 0..<1_000_000 { commits.tell() }
    #expect(told.load(ordering: .relaxed) == 1_000_000)
    commits.listen(nil)
    commits.tell()
    #expect(told.load(ordering: .relaxed) == 1_000_000)
  }
}
