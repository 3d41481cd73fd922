import Bytes
import Logging
import MailProtocols
import MailTransport
import Model
import Net
import Store

/// One try at handing a submission to its account's SMTP server.
///
/// The attempt's row is committed before the connection is made, and once more before DATA: whatever
/// crashes in between, a recipient whose message may have been taken is `unknown` and never tried again.
struct SubmissionAttempt {
  let submission: SubmissionRecord
  let services: EngineServices

  /// How an attempt ended.
  struct Outcome {
    var isSent: Bool
  }

  private var store: Store { services.store }

  /// Nil where there was nothing to do: cancelled, or another attempt's deadline has not passed.
  func run() async throws -> Outcome? {
    let now = services.now()
    guard
      let number = try await store.beginAttempt(
        submission,
        now: now,
        deadline: deadline(from: now)
      )
    else { return nil }
    do {
      let result = try await transfer(number)
      return try await record(result, number)
    } catch let error as SMTPError {
      return try await record(error, number)
    } catch let error as NetError {
      let host = try await account().outgoing?.host ?? ""
      return try await putOff(
        ServiceError(error, backend: BackendFailure(protocolName: "smtp", host: host)),
        number
      )
    } catch let error as ServiceError where error.code != .unavailable {
      return try await putOff(error, number)
    }
  }

  private func deadline(from now: Timestamp) -> Timestamp {
    let wait = services.configuration.sendDeadline.components.seconds
    return Timestamp(microseconds: now.microseconds + wait * 1_000_000)
  }

  private func account() async throws -> Account {
    guard let account = try await store.account(submission.accountID) else {
      throw ServiceError.notFound("account")
    }
    return account
  }

  private var pending: [String] {
    submission.recipients.filter { $0.state == "pending" }.map(\.address)
  }

  private func transfer(_ number: Int) async throws -> SMTPResult {
    let account = try await account()
    guard let settings = account.outgoing else {
      throw ServiceError(.conflict, "The account has no outgoing server.")
    }
    let message = try await store.blob(submission.blob, of: submission.accountID)
    let secrets = try await store.secrets(of: submission.accountID)
    let client = try await services.backends.smtp(settings, secret: secrets.outgoing)
    defer { client.close() }
    let envelope = SMTPEnvelope(sender: submission.sender, recipients: pending)
    let result = try await client.send(envelope, message: SMTPMessage(message)) {
      try await store.markDataBegun(
        number,
        of: submission,
        deadline: deadline(from: services.now())
      )
    }
    await client.quit()
    return result
  }

  // MARK: - What is recorded

  private func record(_ result: SMTPResult, _ number: Int) async throws -> Outcome {
    var records: [RecipientRecord] = []
    for (address, answer) in zip(pending, result.recipients) {
      records.append(recipient(address, answer, result.outcome))
    }
    let isAnyPending = records.contains { $0.state == "pending" }
    let isAnyAccepted =
      records.contains { $0.state == "accepted" }
      || submission.recipients.contains { $0.state == "accepted" }
    let problem = records.first { $0.state != "accepted" }?.reply
    let canRetry = isAnyPending && !isTooOld
    if isAnyPending, !canRetry {
      for index in records.indices where records[index].state == "pending" {
        records[index].state = "refused"
      }
    }
    let isUnknown = records.contains { $0.state == "unknown" }
    let state = canRetry ? "queued" : isAnyAccepted ? "sent" : "failed"
    let isMine = try await end(
      number,
      outcome: canRetry ? "deferred" : isUnknown ? "unknown" : isAnyAccepted ? "sent" : "refused",
      response: result.outcome.text,
      recipients: records,
      state: state,
      nextAttemptAt: canRetry ? nextAttempt(after: number) : nil,
      lastError: problem
    )
    return Outcome(isSent: isMine && state == "sent")
  }

  private func recipient(
    _ address: String,
    _ answer: SMTPRecipientResult,
    _ outcome: SMTPResult.Outcome
  ) -> RecipientRecord {
    let reply: SMTPReply
    let state: String
    switch (answer.isAccepted, outcome) {
    case (false, _):
      reply = answer.reply
      state = reply.isTransient ? "pending" : "refused"
    case (true, .accepted(let final)):
      reply = final
      state = "accepted"
    case (true, .refused(let final)):
      reply = final
      state = final.isTransient ? "pending" : "refused"
    case (true, .unknown(let reason)):
      return RecipientRecord(address: address, state: "unknown", reply: reason)
    case (true, .noRecipients):
      reply = answer.reply
      state = "pending"
    }
    return RecipientRecord(
      address: address,
      state: state,
      code: reply.code,
      enhancedStatus: reply.enhancedStatus?.description,
      reply: reply.text
    )
  }

  private func record(_ error: SMTPError, _ number: Int) async throws -> Outcome {
    let host = try await account().outgoing?.host ?? ""
    let failure = ServiceError(error, host: host)
    switch error {
    case .refused(let reply, _) where reply.isPermanent: return try await fail(failure, number)
    case .invalid, .unsupported: return try await fail(failure, number)
    case .abandoned(let cause): throw cause
    default: return try await putOff(failure, number)
    }
  }

  private func putOff(_ failure: ServiceError, _ number: Int) async throws -> Outcome {
    guard !isTooOld else { return try await fail(failure, number) }
    try await end(
      number,
      outcome: "deferred",
      response: failure.backend?.response ?? failure.message,
      recipients: [],
      state: "queued",
      nextAttemptAt: nextAttempt(after: number),
      lastError: failure.message
    )
    return Outcome(isSent: false)
  }

  private func fail(_ failure: ServiceError, _ number: Int) async throws -> Outcome {
    let records = pending.map { address in
      RecipientRecord(
        address: address,
        state: "refused",
        enhancedStatus: failure.backend?.enhancedStatus,
        reply: failure.backend?.response ?? failure.message
      )
    }
    try await end(
      number,
      outcome: "refused",
      response: failure.backend?.response ?? failure.message,
      recipients: records,
      state: "failed",
      nextAttemptAt: nil,
      lastError: failure.message
    )
    return Outcome(isSent: false)
  }

  /// Records how the attempt ended, again and again while the database is away.
  ///
  /// What the server said is known here alone. Given up, a message that was taken would count as
  /// unknown; so this tries until the attempt's deadline, up to which nobody else touches it.
  @discardableResult
  private func end(
    _ number: Int,
    outcome: String,
    response: String?,
    recipients: [RecipientRecord],
    state: String,
    nextAttemptAt: Timestamp?,
    lastError: String?
  ) async throws -> Bool {
    let limit = Deadline.now + services.configuration.sendDeadline
    while true {
      do {
        return try await store.endAttempt(
          number,
          of: submission,
          outcome: outcome,
          response: response,
          recipients: recipients,
          state: state,
          nextAttemptAt: nextAttemptAt,
          lastError: lastError
        )
      } catch {
        guard error.isRetryable, !Task.isCancelled, Deadline.now < limit else { throw error }
        services.logger.warning(
          "the end of an attempt is not recorded yet",
          metadata: [
            "submission": "\(submission.id)", "cause": "\(error.cause ?? error.message)",
          ]
        )
        try await EventLoop.current?.sleep(until: .now + services.configuration.recordBackoff)
      }
    }
  }

  /// Whether the first attempt is so long ago that nothing is put off any more.
  private var isTooOld: Bool {
    guard let first = submission.attempts.first else { return false }
    let age = Duration.microseconds(
      services.now().microseconds - first.startedAt.microseconds
    )
    return age >= services.configuration.sendLifetime
  }

  private func nextAttempt(after number: Int) -> Timestamp {
    let configuration = services.configuration
    let delay = Backoff.delay(
      after: number - 1,
      first: configuration.firstSendBackoff,
      longest: configuration.longestSendBackoff
    )
    return Timestamp(
      microseconds: services.now().microseconds + delay.components.seconds * 1_000_000
        + delay.components.attoseconds / 1_000_000_000_000
    )
  }
}

extension SMTPResult.Outcome {
  fileprivate var text: String? {
    switch self {
    case .accepted(let reply), .refused(let reply): reply.description
    case .noRecipients: "No recipient was accepted."
    case .unknown(let reason): reason
    }
  }
}
