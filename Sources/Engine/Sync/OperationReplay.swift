import Bytes
import Logging
import MailProtocols
import MailTransport
import Model
import Net
import Store

/// Replays durable intents to the server in the order in which they were meant.
///
/// Intents that follow one another and ask the same of the same mailbox go as one command. One that
/// was tried before is replayed all the same: STORE, and a MOVE whose source is gone, change nothing
/// the second time; what an APPEND or a COPY makes is looked for first.
struct OperationReplay {
  let client: IMAPClient
  let account: ID<Account>
  let logger: Logger
  /// Whether a message that changed since is not deleted.
  let sparesChanged: Bool
  private let services: EngineServices
  let postponed: PostponedIntents
  /// Where something came: what is known of it by its bytes alone is looked at next.
  let told: ToldMailboxes

  init(
    client: IMAPClient,
    services: EngineServices,
    account: ID<Account>,
    sparesChanged: Bool,
    told: ToldMailboxes,
    logger: Logger
  ) {
    self.client = client
    self.services = services
    self.account = account
    self.sparesChanged = sparesChanged
    self.told = told
    self.logger = logger
    postponed = PostponedIntents(services.configuration)
  }

  var store: Store { services.store }
  var configuration: EngineConfiguration { services.configuration }

  /// The mailbox has another UIDVALIDITY, or is another one of the same name.
  ///
  /// Only a pass over all mailboxes can tell what became of it. Nothing was sent, or it was taken back where the server told its UID.
  struct StaleUIDs: Error {}

  /// Whether intents wait for a pass over all mailboxes, which then begins.
  func takesPass() -> Bool { postponed.takesPass() }

  /// A pass over all mailboxes has ended.
  func endPass() { postponed.endPass() }

  /// When an intent that the server put off is due again; nil where there is none.
  var nextTry: Deadline? { postponed.nextTry }

  /// Replays what is due; whether there was anything.
  @discardableResult
  func run() async throws -> Bool {
    var didSomething = false
    while true {
      let next = try await store.dueOperations(
        of: account,
        except: (postponed.messages(at: .now), postponed.mailboxes(at: .now)),
        limit: configuration.operationBatch
      )
      let due = next.messages
      if due.isEmpty {
        guard let change = next.mailbox else { return didSomething }
        try await replay(change)
        didSomething = true
        continue
      }
      didSomething = true
      let mailboxes = Dictionary(
        uniqueKeysWithValues: try await store.mailboxes(of: account).mailboxes.map { ($0.id, $0) }
      )
      // What one intent of a message brings about is not in the records of its later ones: they are
      // read anew before those are replayed.
      var touched: Set<ID<Message>> = []
      var checked: Set<MailboxName> = []
      for group in Self.groups(due, sharedAttempts: configuration.sharedAttempts) {
        guard touched.isDisjoint(with: group.map(\.message)) else { break }
        guard try await replay(group, mailboxes, &checked) else { break }
        touched.formUnion(group.map(\.message))
      }
    }
  }

  /// Runs of intents that one command can carry out.
  static func groups(_ operations: [OperationRecord], sharedAttempts: Int) -> [[OperationRecord]] {
    var groups: [[OperationRecord]] = []
    for operation in operations {
      if let last = groups.last?.last, last.goesWith(operation),
        max(last.attempts, operation.attempts) < sharedAttempts,
        groups[groups.count - 1].allSatisfy({ $0.message != operation.message })
      {
        groups[groups.count - 1].append(operation)
      } else {
        groups.append([operation])
      }
    }
    return groups
  }

  /// Whether what was read before still holds for the groups that follow.
  ///
  /// `checked` are the names under which mailboxes were found that messages go to.
  private func replay(
    _ group: [OperationRecord],
    _ mailboxes: [ID<Mailbox>: Mailbox],
    _ checked: inout Set<MailboxName>
  ) async throws -> Bool {
    let running = try await store.markRunning(group.map(\.id), of: account)
    let group = group.filter { running.contains($0.id) }
    do {
      try await perform(group, mailboxes, &checked)
      return true
    } catch is StaleUIDs {
      let left = try await giveUp(group, "The mailbox has another UIDVALIDITY each time.")
      for operation in left {
        postponed.addUntilPass(operation.message, until: .now + configuration.firstBackoff)
      }
      postponed.needPass()
      return false
    } catch let error as IMAPError {
      try await note(error, group)
      return true
    }
  }

  private func perform(
    _ group: [OperationRecord],
    _ mailboxes: [ID<Mailbox>: Mailbox],
    _ checked: inout Set<MailboxName>
  ) async throws {
    guard let first = group.first else { return }
    guard let mailbox = mailboxes[first.mailbox] else {
      return try await refuse(group, "The mailbox is gone.")
    }
    // What is meant for a mailbox that is not on the server yet waits for it.
    let target = first.targetMailbox.flatMap { mailboxes[$0] }
    guard !mailbox.isAwaited, target?.isAwaited != true else { return try await putOff(group) }
    switch first.kind {
    case "keywords": try await storeKeywords(group, mailbox)
    case "move", "copy":
      guard let target else {
        return try await refuse(group, "The mailbox is gone.")
      }
      try await check(target, &checked)
      try await transfer(group, from: mailbox, to: target)
    case "delete": try await delete(group, mailbox)
    case "release": try await release(group, mailbox)
    case "replace": try await replace(first, mailbox)
    default:
      try await check(mailbox, &checked)
      try await append(first, mailbox)
    }
  }

  /// Throws `StaleUIDs` where the name of `mailbox` is that of another one by now, into which something is about to be put.
  ///
  /// Without this it would be put there: intents are replayed before a pass finds what was renamed while nobody was connected.
  private func check(_ mailbox: Mailbox, _ checked: inout Set<MailboxName>) async throws {
    let name = mailbox.imapName
    guard let known = mailbox.uidValidity, known != 0, !checked.contains(name) else { return }
    // A session tells of what it has selected, under the name that it was selected by.
    if client.selected?.name == name { try await client.leaveSelected() }
    if let now = try await uidValidity(of: name), now != known { throw StaleUIDs() }
    checked.insert(name)
  }

  /// The UIDVALIDITY of the mailbox that has a name now; nil where the server does not say.
  private func uidValidity(of name: MailboxName) async throws(IMAPError) -> Int64? {
    do throws(IMAPError) {
      return try await client.status(name, [.uidValidity]).uidValidity.map { Int64($0.value) }
    } catch {
      guard case .refused = error, !error.lacksMailbox else { throw error }
      return nil
    }
  }

  /// Leaves intents alone until what they wait for was tried again.
  private func putOff(_ group: [OperationRecord]) async throws {
    let reason = "The mailbox is not on the server yet."
    try await store.putOff(group.map(\.id), reason: reason, asTried: false, of: account)
    for operation in group {
      postponed.add(operation.message, until: .now + configuration.firstBackoff)
    }
  }

  // MARK: - Failures

  /// Refuses what the server refused, puts off what it put off, and throws what broke the connection.
  ///
  /// Whatever it is, an intent is tried so many times and no more: one that makes a server close the
  /// connection would otherwise keep its account from ever being synced again.
  private func note(_ error: IMAPError, _ group: [OperationRecord]) async throws {
    guard error != .cancelled else { throw error }
    if error.lacksMailbox || Self.isBug(error) {
      // Renamed or deleted by another client, perhaps: a pass finds out, and what is meant for it is tried once more.
      let (hasPassed, reason) = (postponed.hasPassed, error.response ?? "")
      let last = group.filter { hasPassed && $0.attempts + 1 >= configuration.sharedAttempts }
      try await refuse(last, reason)
      let left = Set(group.map(\.id)).subtracting(last.map(\.id))
      try await store.putOff(left.sorted(), reason: reason, asTried: hasPassed, of: account)
      for operation in group where left.contains(operation.id) {
        postponed.addUntilPass(operation.message, until: .now + configuration.firstBackoff)
      }
      return
    }
    if case .refused(_, let response, let code) = error, !Self.passes(code) {
      logger.info("intent refused", metadata: ["kind": "\(group.first?.kind ?? "")"])
      return try await refuse(group, response)
    }
    let reason = error.response ?? "The connection broke off."
    let left = try await giveUp(group, reason)
    try await store.putOff(left.map(\.id), reason: reason, of: account)
    guard case .refused = error else { throw error }
    for operation in left {
      let wait = Backoff.delay(
        after: operation.attempts,
        first: configuration.firstBackoff,
        longest: configuration.longestBackoff
      )
      postponed.add(operation.message, until: .now + wait)
    }
  }

  /// Whether a refusal says that the same command may succeed later (RFC 5530 §3): the intent stays.
  static func passes(_ code: ResponseCode?) -> Bool {
    guard case .other(let name, _)? = code else { return false }
    return ["UNAVAILABLE", "INUSE"].contains(name)
  }

  /// Whether the server calls it a fault of its own (RFC 5530 §3), as Dovecot does where a mailbox goes under its session.
  private static func isBug(_ error: IMAPError) -> Bool {
    guard case .refused(_, _, .other("SERVERBUG", _)?) = error else { return false }
    return true
  }

  /// Refuses what was tried often enough; the rest.
  private func giveUp(_ group: [OperationRecord], _ reason: String) async throws
    -> [OperationRecord]
  {
    let last = group.filter { $0.attempts + 1 >= configuration.operationAttempts }
    try await refuse(last, "Tried \(configuration.operationAttempts) times. \(reason)")
    return group.filter { $0.attempts + 1 < configuration.operationAttempts }
  }

  func refuse(_ group: [OperationRecord], _ reason: String) async throws {
    for operation in group {
      if operation.kind == "append" {
        // It is nowhere else.
        try await store.refuseAppend(operation, reason: reason, of: account)
      } else {
        try await store.refuseOperation(operation, reason: reason, of: account)
      }
    }
  }
}

extension OperationRecord {
  /// Whether one command can carry out both.
  fileprivate func goesWith(_ other: OperationRecord) -> Bool {
    kind == other.kind && !["append", "replace"].contains(kind) && mailbox == other.mailbox
      && targetMailbox == other.targetMailbox && addKeywords == other.addKeywords
      && removeKeywords == other.removeKeywords
  }
}
