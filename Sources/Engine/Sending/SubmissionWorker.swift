import Bytes
import Logging
import MailProtocols
import MailTransport
import Model
import Net
import Store
import Synchronization

/// Sends what is queued, soonest first, several submissions at a time; wakes when one is due.
///
/// An account has at most one submission under way, so that a server that hangs holds up only the mail
/// of its own account.
final class SubmissionWorker: Sendable {
  let signal = LoopSignal()
  private let loop: EventLoop
  private let services: EngineServices
  private let state = Mutex(State())
  /// Tells an account's worker that intents were queued: the copy in Sent, `\Answered`.
  private let wakeAccount: @Sendable (ID<Account>) -> Void

  private struct State {
    var sending: [ID<Submission>: ID<Account>] = [:]
    var isStopping = false
  }

  init(
    on loop: EventLoop,
    _ services: EngineServices,
    wakeAccount: @escaping @Sendable (ID<Account>) -> Void
  ) {
    self.loop = loop
    self.services = services
    self.wakeAccount = wakeAccount
  }

  /// Starts no further attempt; those under way go on until their end or their task's cancellation.
  func stop() {
    state.withLock { $0.isStopping = true }
    signal.notify(.operations)
  }

  /// Runs until it is stopped and every attempt has ended, or until the task is cancelled.
  func run() async {
    let loop = loop
    var nextFiling = Deadline.now
    await withDiscardingTaskGroup { group in
      while !Task.isCancelled, !state.withLock({ $0.isStopping }) {
        if nextFiling <= .now {
          await fileForgotten()
          nextFiling = .now + services.configuration.sendLook
        }
        var deadline = nextFiling
        do {
          // One instant for both: what falls due between two would be missed by either.
          let now = services.now()
          for submission in try await nextToSend(at: now) {
            group.addTask(executorPreference: loop) { await self.send(submission) }
          }
          deadline = min(deadline, try await nextLook(after: now))
        } catch {
          services.logger.warning(
            "submissions not read",
            metadata: ["cause": "\(error)"]
          )
          deadline = .now + .seconds(1)
        }
        _ = await signal.wait(until: deadline, on: loop)
      }
    }
  }

  /// What is due and not under way, at most one submission an account; each counts as under way from here on.
  private func nextToSend(at now: Timestamp) async throws(ServiceError) -> [SubmissionRecord] {
    let limit = services.configuration.sendConcurrency
    let busy = state.withLock { Set($0.sending.values) }
    guard busy.count < limit else { return [] }
    let due = try await services.store.dueSubmissions(
      at: now,
      busy: Array(busy),
      limit: limit - busy.count
    )
    return state.withLock { state in
      var chosen: [SubmissionRecord] = []
      for submission in due where state.sending.count < limit {
        guard state.sending[submission.id] == nil,
          !state.sending.values.contains(submission.accountID)
        else { continue }
        state.sending[submission.id] = submission.accountID
        chosen.append(submission)
      }
      return chosen
    }
  }

  /// When the next one is due.
  ///
  /// What is due already waits for the end of another and its wake.
  private func nextLook(after now: Timestamp) async throws(ServiceError) -> Deadline {
    guard let next = try await services.store.nextSubmissionDue(after: now) else {
      return .now + services.configuration.sendLook
    }
    return .now + .microseconds(max(next.microseconds - services.now().microseconds, 1000))
  }

  /// One attempt, and what follows a success.
  private func send(_ submission: SubmissionRecord) async {
    do {
      let outcome = try await SubmissionAttempt(submission: submission, services: services).run()
      if outcome?.isSent == true { await file(submission) }
      if submission.owesReport { await report(submission) }
    } catch {
      services.logger.warning(
        "submission attempt not recorded",
        metadata: ["submission": "\(submission.id)", "cause": "\(error)"]
      )
      // The database is away, most likely: not at once again.
      do {
        try await loop.sleep(until: .now + .seconds(1))
      } catch {
        // Cancelled.
      }
    }
    _ = state.withLock { $0.sending.removeValue(forKey: submission.id) }
    signal.notify(.operations)
  }

  /// Files what was sent and not filed, or not reported: a crash came in between, or the database was away.
  private func fileForgotten() async {
    do {
      for submission in try await services.store.submissionsToFile() { await file(submission) }
      for submission in try await services.store.submissionsToReport() {
        await fileReport(of: submission)
      }
    } catch {
      services.logger.warning("copies in Sent not looked for", metadata: ["cause": "\(error)"])
    }
  }

  /// Reports what became of a submission, if that is known for good by now.
  private func report(_ submission: SubmissionRecord) async {
    do {
      let (id, account) = (submission.id, submission.accountID)
      guard let ended = try await services.store.submission(id, of: account), ended.owesReport,
        ["sent", "failed"].contains(ended.state)
      else { return }
      await fileReport(of: ended)
    } catch {
      services.logger.warning("submission not read", metadata: ["cause": "\(error)"])
    }
  }

  /// Files the report of one; the next look tries again where that fails.
  private func fileReport(of submission: SubmissionRecord) async {
    do {
      try await DeliveryReport(submission, services).file(wakeAccount)
    } catch {
      services.logger.warning(
        "report not filed",
        metadata: ["submission": "\(submission.id)", "cause": "\(error)"]
      )
    }
  }

  /// Files the copy of one; where that fails it holds up no other, and the next look tries again.
  private func file(_ submission: SubmissionRecord) async {
    do {
      try await SentMessage(submission, services).file(wakeAccount)
    } catch {
      services.logger.warning(
        "copy in Sent not filed",
        metadata: ["submission": "\(submission.id)", "cause": "\(error)"]
      )
    }
  }
}
