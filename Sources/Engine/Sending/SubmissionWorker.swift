import Bytes
import Logging
import MailProtocols
import MailTransport
import Model
import Net
import Store

/// Sends what is queued, soonest first, a few submissions at a time; wakes when one is due.
final class SubmissionWorker: Sendable {
  let signal = LoopSignal()
  private let loop: EventLoop
  private let services: EngineServices
  /// Tells an account's worker that intents were queued: the copy in Sent, `\Answered`.
  private let wakeAccount: @Sendable (ID<Account>) -> Void

  init(
    on loop: EventLoop,
    _ services: EngineServices,
    wakeAccount: @escaping @Sendable (ID<Account>) -> Void
  ) {
    self.loop = loop
    self.services = services
    self.wakeAccount = wakeAccount
  }

  /// Runs until the task is cancelled.
  func run() async {
    while !Task.isCancelled {
      var deadline = Deadline.now + .seconds(30)
      do {
        let sent = try await sendDue()
        if sent { continue }
        if let next = try await services.store.nextSubmissionDue() {
          let wait = max(next.microseconds - services.now().microseconds, 10_000)
          deadline = min(deadline, .now + .microseconds(wait))
        }
      } catch {
        services.logger.warning(
          "submissions not read",
          metadata: ["cause": "\(error.cause ?? error.message)"]
        )
        deadline = .now + .seconds(1)
      }
      _ = await signal.wait(until: deadline, on: loop)
    }
  }

  /// Sends what is due; whether anything was.
  private func sendDue() async throws(ServiceError) -> Bool {
    let due = try await services.store.dueSubmissions(
      at: services.now(),
      limit: services.configuration.sendConcurrency * 8
    )
    guard !due.isEmpty else { return false }
    let loop = loop
    return await withTaskGroup(of: Bool.self) { group in
      var waiting = due[...]
      for submission in waiting.prefix(services.configuration.sendConcurrency) {
        group.addTask(executorPreference: loop) { await self.send(submission) }
      }
      waiting = waiting.dropFirst(services.configuration.sendConcurrency)
      var didSomething = false
      for await acted in group {
        didSomething = didSomething || acted
        if let next = waiting.popFirst() {
          group.addTask(executorPreference: loop) { await self.send(next) }
        }
      }
      return didSomething
    }
  }

  /// One attempt; whether it was made.
  private func send(_ submission: SubmissionRecord) async -> Bool {
    do {
      let attempt = SubmissionAttempt(submission: submission, services: services)
      guard let outcome = try await attempt.run() else { return false }
      if outcome.isSent { try await SentMessage(submission, services).file(wakeAccount) }
      return true
    } catch {
      services.logger.warning(
        "submission attempt not recorded",
        metadata: ["submission": "\(submission.id)", "cause": "\(error)"]
      )
      return false
    }
  }
}
