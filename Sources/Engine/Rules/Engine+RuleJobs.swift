import Bytes
package import Model
import Rules
package import Store

extension Engine {
  /// Queues a run of the account's enabled rules over the messages that a query finds.
  package func runRules(
    of account: ID<Account>,
    only: [ID<MailRule>]? = nil,
    query: MessageQuery,
    findings: SearchFindings,
    claim: IdempotencyClaim? = nil
  ) async throws(ServiceError) -> JobRecord {
    let known = try await services.accountRules(account)
    let rules = known.rules.filter { rule in
      guard let only else { return rule.isEnabled && rule.trigger.appliesToStoredMail }
      return rule.id.map { only.contains($0) } ?? false
    }.map { rule in
      // What is named runs, also where it is switched off for new mail.
      var rule = rule
      rule.isEnabled = true
      return rule
    }
    let messages = try await store.messageIDs(of: account, query, findings, limit: 1_000_000)
    let job = try await store.insertJob(
      kind: RuleWorker.runKind,
      of: account,
      request: RuleJob.Request(messages: messages, rules: rules).json,
      claim: claim
    )
    store.arrivals.tell()
    return job
  }

  /// Queues that what a run of rules moved and marked is put back.
  package func undoRules(
    _ job: ID<Job>,
    of account: ID<Account>,
    claim: IdempotencyClaim? = nil
  ) async throws(ServiceError) -> JobRecord {
    guard let record = try await store.job(job), record.accountID == account,
      record.kind == RuleWorker.runKind
    else { throw .notFound("job") }
    guard !["queued", "running"].contains(record.state) else {
      throw ServiceError(.conflict, "The job still runs; cancel it first.")
    }
    guard try await store.undoCount(of: job, in: account) > 0 else {
      throw ServiceError(.conflict, "There is nothing to undo.")
    }
    let request = JSONValue.object([.init(name: "job", value: .string(job.description))])
    let undo = try await store.insertJob(
      kind: RuleWorker.undoKind,
      of: account,
      request: String(decoding: request.encoded, as: UTF8.self),
      claim: claim
    )
    store.arrivals.tell()
    return undo
  }
}
