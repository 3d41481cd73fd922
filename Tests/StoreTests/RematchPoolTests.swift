import Bytes
import Testing

@testable import Store

@Suite("What a message that appeared may have been") struct RematchPoolTests {
  @Test func `equal messages are told apart by EMAILID`() {
    func candidate(_ id: Int64, _ emailID: String?) -> RematchPool.Candidate {
      RematchPool.Candidate(id: id, receivedAt: .init(seconds: 1), mailbox: 9, emailID: emailID)
    }
    var pool = RematchPool(
      [[1]: [candidate(1, "a"), candidate(2, "b"), candidate(3, nil)]]
    )
    func message(_ emailID: String?) -> NewMessage {
      var message = NewMessage(
        uid: 1,
        keywords: [],
        isDeleted: false,
        receivedAt: .init(seconds: 1),
        size: 1,
        identity: [1],
        sentAt: nil,
        hasAttachment: false
      )
      message.emailID = emailID
      return message
    }
    let taken = ["b", "c", "c", nil].map { pool.take(message($0))?.id }
    #expect(taken == [2, 3, nil, 1])
  }
}
