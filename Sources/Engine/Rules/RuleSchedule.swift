import Bytes
import Logging
import Model
import Rules
import Store

/// Queues runs of the rules whose time has come, each as a job of its own.
struct RuleSchedule {
  let services: EngineServices

  /// Most rules that one look queues.
  private static let limit = 50

  /// Queues what is due.
  func queue() async throws(ServiceError) {
    let now = services.now()
    for due in try await services.store.dueSchedules(at: now, limit: Self.limit) {
      let request: String?
      do throws(ServiceError) {
        request = try await self.request(due.rule, of: due.account, at: now)
      } catch {
        guard !error.isRetryable else { throw error }
        // It comes to its turn again, and holds up no other.
        services.logger.warning(
          "a rule by the clock cannot run",
          metadata: ["rule": "\(due.rule)", "cause": "\(error)"]
        )
        request = nil
      }
      try await services.store.queueScheduled(
        due.rule,
        of: due.account,
        kind: RuleWorker.runKind,
        request: request,
        at: now
      )
    }
  }

  /// What the job does; nil where there is nothing to look at.
  private func request(
    _ id: ID<MailRule>,
    of account: ID<Account>,
    at now: Timestamp
  ) async throws(ServiceError) -> String? {
    guard let record = try await services.store.rule(id, of: account) else { return nil }
    let rule = try Rule(record)
    var query = MessageQuery()
    query.search = rule.condition?.prefilter(at: now)
    let messages = try await services.store.messageIDs(of: account, query, limit: 1_000_000)
    guard !messages.isEmpty else { return nil }
    return RuleJob.Request(messages: messages, rules: [rule]).json
  }
}

extension LocatedQuery {
  /// A search that finds every message that may meet the condition, as far as rows of messages alone can tell; nil for one
  /// that finds all.
  func prefilter(at now: Timestamp) -> SearchQuery? {
    switch content {
    case .and(let parts):
      let found = parts.compactMap { $0.prefilter(at: now) }
      return found.count > 1 ? .and(found) : found.first
    case .term(let term):
      switch term {
      case .mailbox, .state, .hasAttachment, .before, .after, .larger, .smaller, .thread, .id:
        return .term(term)
      default: return nil
      }
    case .test(let test):
      // So many days ago, or earlier.
      guard case .age(.received) = test.property, test.comparison == .over,
        let days = test.values.first.flatMap({ Int64($0) })
      else { return nil }
      return .term(.before(Timestamp(microseconds: now.microseconds - days * 86_400_000_000)))
    case .or, .none: return nil
    }
  }
}
