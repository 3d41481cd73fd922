import Bytes
import MailProtocols
import Store
import Testing

@testable import Engine

@Suite("The queue of a first sync") struct FetchQueueTests {
  private static func rows(_ uids: ClosedRange<Int64>) -> [NewMessage] {
    uids.map { uid in
      NewMessage(
        uid: uid,
        keywords: [],
        isDeleted: false,
        receivedAt: Timestamp(seconds: uid),
        size: 1,
        identity: [],
        sentAt: nil,
        hasAttachment: false
      )
    }
  }

  @Test func `sets go out newest first, the first one small`() {
    let queue = FetchQueue(UIDSet(UID(1)...UID(25)), batch: 10, first: 5)
    var taken: [ClosedRange<UID>?] = []
    while let set = queue.take() { taken.append(set.bounds) }
    #expect(taken == [UID(21)...UID(25), UID(11)...UID(20), UID(1)...UID(10)])
  }

  @Test func `a mailbox is synced down to what lies above all that is not stored`() {
    let queue = FetchQueue(UIDSet(UID(1)...UID(25)), batch: 10, first: 5)
    _ = queue.take()
    _ = queue.take(asHelper: true)
    #expect(queue.isHelped)
    #expect(queue.finish(Self.rows(21...25)) == MailboxProgress(syncedDownTo: 21))
    _ = queue.take()
    // Stored before the set above it, by the other connection.
    #expect(queue.finish(Self.rows(1...10)) == MailboxProgress(syncedDownTo: 21))
    #expect(queue.rest == UIDSet(UID(11)...UID(20)))
    #expect(queue.finish(Self.rows(11...20)) == MailboxProgress(syncedDownTo: 11))
    #expect(queue.rest.isEmpty)
  }

  @Test func `what was not given out when it closes is left, and what no answer named is not`() {
    let queue = FetchQueue(UIDSet(UID(1)...UID(20)), batch: 10, first: 10)
    _ = queue.take()
    queue.close()
    #expect(queue.take() == nil)
    #expect(queue.rest == UIDSet(UID(1)...UID(20)))
    #expect(queue.finish(Self.rows(11...20)) == MailboxProgress(syncedDownTo: 11))
    #expect(queue.rest == UIDSet(UID(1)...UID(10)))
    queue.noteAnswered()
    #expect(queue.rest.isEmpty)
  }
}
