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
    let sent = try await store.mailbox(role: "sent", of: account)
    let raw = try await store.blob(submission.blob, of: account)
    let message = NewMessage(raw: raw, keywords: ["$seen"], receivedAt: services.now())
    try await store.fileSentCopy(of: submission, message, raw: raw, into: sent?.id)
    wakeAccount(account)
  }
}
