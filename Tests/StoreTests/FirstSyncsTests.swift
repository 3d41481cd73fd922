import Store
import Testing

@Suite("First syncs under way") struct FirstSyncsTests {
  private struct Failure: Error {}

  @Test func `one counts for as long as it runs, whether it fails or not`() async throws {
    let firstSyncs = FirstSyncs()
    #expect(!firstSyncs.areRunning)
    try await firstSyncs.during { () async throws -> Void in
      try Task.checkCancellation()
      #expect(firstSyncs.areRunning)
      await #expect(throws: Failure.self) {
        try await firstSyncs.during { () async throws -> Void in throw Failure() }
      }
      #expect(firstSyncs.areRunning)
    }
    #expect(!firstSyncs.areRunning)
  }
}
