import Bytes
import Crypto
import MIME
import Model
import Store

/// What follows the end of a submission that was brought by SMTP: where it failed for somebody, its sender gets to know by mail.
///
/// A submission by the API shows its state and each recipient's, so that nobody is told of it twice.
struct DeliveryReport {
  private let submission: SubmissionRecord
  private let services: EngineServices

  init(_ submission: SubmissionRecord, _ services: EngineServices) {
    self.submission = submission
    self.services = services
  }

  /// Keeps the notification in the inbox of the sender's account, once, however often this is called.
  func file(_ wakeAccount: (ID<Account>) -> Void) async throws {
    let store = services.store
    let failures = DeliveryStatusNotification.failures(of: submission)
    // The null reverse-path is never told anything (RFC 5321 §6.1).
    guard !failures.isEmpty, !submission.sender.isEmpty else {
      return try await store.fileReport(of: submission, nil)
    }
    // An account that was never synced has none yet: the next look finds it.
    guard let inbox = try await store.mailbox(role: "inbox", of: submission.accountID),
      let account = try await store.account(submission.accountID)
    else { return }
    let now = services.now()
    let notification = DeliveryStatusNotification(
      submission: submission,
      original: try await store.blob(submission.blob, of: submission.accountID),
      hostName: services.configuration.heloName,
      remoteHost: account.outgoing?.host,
      date: MIMEDate(seconds: now.seconds),
      messageID: try RuleMail(account: account, now: now).messageID(),
      seed: try Random.bytes(16)
    )
    var report = try await services.delivery(
      of: notification.message,
      into: inbox.id,
      keywords: [],
      receivedAt: now
    )
    // It has to come, however full the mailbox is.
    report.isLimited = false
    report.envelope = DeliveryEnvelope(from: "", to: submission.sender)
    try await store.fileReport(of: submission, report)
    wakeAccount(submission.accountID)
  }
}
