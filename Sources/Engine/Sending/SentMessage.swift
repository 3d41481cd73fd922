import Bytes
import Model
import Store

/// What follows a sent message: its copy in the Sent mailbox, and `\Answered` on what it answers.
struct SentMessage {
  private let submission: SubmissionRecord
  private let services: EngineServices

  init(_ submission: SubmissionRecord, _ services: EngineServices) {
    self.submission = submission
    self.services = services
  }

  /// Queues both as intents of the account, once, however often this is called.
  func file(_ wakeAccount: (ID<Account>) -> Void) async throws {
    let store = services.store
    let account = submission.accountID
    var copy: Delivery?
    if let sent = try await store.mailbox(role: "sent", of: account) {
      let raw = try await store.blob(submission.blob, of: account)
      copy = try await services.delivery(
        of: raw,
        into: sent.id,
        keywords: ["$seen"],
        receivedAt: services.now()
      )
      // It is sent: to lose the copy would be worse than to keep a little too much.
      copy?.isLimited = false
    }
    try await store.fileSentCopy(of: submission, copy)
    wakeAccount(account)
  }
}
