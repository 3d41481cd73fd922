import Bytes
import Logging
import Model
import Rules
import Store

/// Runs rules over stored mail, a batch in a transaction; a restart goes on where it stopped.
///
/// The rules are those of the moment at which the job was queued. Nothing is sent: nobody waits for an answer to old mail.
struct RuleJob {
  let record: JobRecord
  let services: EngineServices
  let hands: RuleHands

  /// What a job's row says is to be done.
  struct Request {
    var messages: [ID<Message>]
    var rules: [Rule]
  }

  private var store: Store { services.store }

  /// Does what is left of the job; false where some of it has to wait.
  ///
  /// What may pass is thrown, and tried again; anything else ends the job alone.
  func run() async throws -> Bool {
    guard let account = record.accountID, let request = Request(json: record.request) else {
      try await end("failed", record.done, ["The job's request cannot be read."])
      return true
    }
    do {
      return try await run(request, account)
    } catch let error as ServiceError where !error.isRetryable {
      let done = try await store.job(record.id)?.done ?? record.done
      try await end("failed", done, record.errors + [error.message])
      return true
    }
  }

  private func run(_ request: Request, _ account: ID<Account>) async throws -> Bool {
    let known = try await services.accountRules(account)
    var batches = RuleBatches(
      known,
      CompiledRules(request.rules, context: known.context(at: services.now())),
      services: services,
      hands: hands
    )
    var summary = RuleSummary(json: record.result) ?? RuleSummary()
    var queue = try await queue(request)
    var read = try await batches.read(queue.next())
    while !read.ids.isEmpty {
      let isNews = queue.settle(read.ids, held: read.held)
      var batch = RuleBatch(done: Int64(queue.done), total: Int64(queue.total), summary: .null)
      batch.waiting = queue.waiting
      batch.effects = try await batches.effects(on: read.messages, &summary)
      batch.summary = summary.json
      // What comes next is read while this is carried out: no message is in two of them.
      let (store, record, reader, carried, next) = (store, record, batches, batch, queue.next())
      async let goesOn = isNews ? store.carryOut(carried, of: record, in: account) : true
      read = try await reader.read(next)
      guard try await goesOn else { return true }
      hands.wake(account, hasSent: false)
      // A mailbox may have been made.
      if batches.hasMadeMailboxes { try await batches.refresh() }
    }
    guard queue.waiting.isEmpty else { return false }
    try await self.end("done", Int64(queue.total), record.errors)
    return true
  }

  private func queue(_ request: Request) async throws -> RuleJobQueue {
    RuleJobQueue(
      request.messages,
      done: Int(record.done),
      waiting: try await store.waitingMessages(of: record.id),
      batch: services.configuration.ruleRunBatch,
      mostWaiting: services.configuration.ruleRunWaiting
    )
  }

  private func end(_ state: String, _ done: Int64, _ errors: [String]) async throws {
    _ = try await store.progressJob(
      record,
      state: state,
      done: done,
      total: record.total ?? done,
      errors: errors
    )
  }

  /// Puts back what another job did, as far as it can be.
  func undo() async throws {
    guard let account = record.accountID, let job = ID<Job>(text: record.request.undoneJob) else {
      return try await end("failed", record.done, ["The job's request cannot be read."])
    }
    do {
      try await undo(job, account)
    } catch let error as ServiceError where !error.isRetryable {
      let done = try await store.job(record.id)?.done ?? record.done
      try await end("failed", done, record.errors + [error.message])
    }
  }

  private func undo(_ job: ID<Job>, _ account: ID<Account>) async throws {
    var done = record.done
    while true {
      let (undone, left) = try await store.undoBatch(
        of: job,
        in: account,
        limit: services.configuration.jobBatch
      )
      done += Int64(undone)
      hands.wake(account, hasSent: false)
      let isDone = left == 0
      let goesOn = try await store.progressJob(
        record,
        state: isDone ? "done" : "running",
        done: done,
        total: max(record.total ?? 0, done),
        errors: record.errors
      )
      guard goesOn, !isDone else { return }
    }
  }
}

extension RuleJob.Request {
  /// The request as the job's row keeps it.
  var json: String {
    let value = JSONValue.object([
      .init(name: "messages", value: .array(messages.map { .int($0.rawValue) })),
      .init(
        name: "rules",
        value: .array(
          rules.map { rule in
            .object([
              .init(name: "id", value: rule.id.map { .int($0.rawValue) } ?? .null),
              .init(name: "rule", value: rule.json),
            ])
          }
        )
      ),
    ])
    return String(decoding: value.encoded, as: UTF8.self)
  }

  init?(json text: String) {
    var text = text
    text.makeContiguousUTF8()
    var limits = JSONLimits()
    limits.values = 10_000_000
    guard let value = try? JSONReader.parse(text.utf8.span, limits: limits),  // Nil is the answer.
      let ids = value["messages"]?.arrayValue, let entries = value["rules"]?.arrayValue
    else { return nil }
    messages = ids.compactMap(\.intValue).map { ID($0) }
    rules = []
    for entry in entries {
      var reader = RuleReader(isStored: true)
      guard let json = entry["rule"], var rule = reader.rule(json) else { return nil }
      rule.id = entry["id"]?.intValue.map { ID($0) }
      rules.append(rule)
    }
  }
}

extension String {
  /// The id of the job that a request wants undone.
  fileprivate var undoneJob: String {
    var text = self
    text.makeContiguousUTF8()
    let value = try? JSONReader.parse(text.utf8.span)  // Nil is the answer.
    return value?["job"]?.stringValue ?? ""
  }
}

extension RuleSummary {
  private static var names: [(name: String, path: WritableKeyPath<RuleSummary, Int>)] {
    [
      ("messages", \.messages), ("matched", \.matched), ("moved", \.moved),
      ("copied", \.copied), ("discarded", \.discarded), ("marked", \.marked), ("edited", \.edited),
      ("sent", \.sent),
    ]
  }

  /// The numbers as JSON, from which the same are read.
  var json: JSONValue {
    .object(Self.names.map { .init(name: $0.name, value: .int(Int64(self[keyPath: $0.path]))) })
  }

  init?(json value: JSONValue?) {
    guard let value, value != .null else { return nil }
    self.init()
    for (name, path) in Self.names {
      self[keyPath: path] = value[name]?.intValue.map { Int(clamping: $0) } ?? 0
    }
  }
}
