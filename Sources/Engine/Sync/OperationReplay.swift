import Bytes
import Logging
import MailProtocols
import MailTransport
import Model
import Store

/// Replays durable intents to the server in the order in which they were meant.
///
/// Intents that follow one another and ask the same of the same mailbox go as one command. An intent
/// that was `running` when the service stopped is replayed: STORE, and a MOVE whose source is gone,
/// change nothing then; an APPEND is looked for first.
struct OperationReplay {
  let client: IMAPClient
  let store: Store
  let account: ID<Account>
  let configuration: EngineConfiguration
  let logger: Logger

  /// Replays what is due; whether there was anything.
  @discardableResult
  func run() async throws -> Bool {
    var didSomething = false
    while true {
      let due = try await store.dueOperations(of: account, limit: configuration.operationBatch)
      guard !due.isEmpty else { return didSomething }
      didSomething = true
      let mailboxes = try await store.mailboxes(of: account).mailboxes
      let names = Dictionary(
        uniqueKeysWithValues: mailboxes.map {
          ($0.id, MailboxName(encoded: Array($0.encodedName.utf8)))
        }
      )
      // What one intent of a message brings about is not in the records of its later ones: they are
      // read anew before those are replayed.
      var touched: Set<ID<Message>> = []
      for group in Self.groups(due) {
        guard touched.isDisjoint(with: group.map(\.message)) else { break }
        try await replay(group, names)
        touched.formUnion(group.map(\.message))
      }
    }
  }

  /// Runs of intents that one command can carry out.
  static func groups(_ operations: [OperationRecord]) -> [[OperationRecord]] {
    var groups: [[OperationRecord]] = []
    for operation in operations {
      if let last = groups.last?.last, last.goesWith(operation),
        groups[groups.count - 1].allSatisfy({ $0.message != operation.message })
      {
        groups[groups.count - 1].append(operation)
      } else {
        groups.append([operation])
      }
    }
    return groups
  }

  /// Whether a refusal says that the same command may succeed later (RFC 5530 §3): the intent stays.
  private static func passes(_ code: ResponseCode?) -> Bool {
    guard case .other(let name, _)? = code else { return false }
    return ["UNAVAILABLE", "INUSE", "LIMIT"].contains(name)
  }

  private func replay(
    _ group: [OperationRecord],
    _ names: [ID<Mailbox>: MailboxName]
  ) async throws {
    guard let first = group.first else { return }
    try await store.markRunning(group.map(\.id), of: account)
    guard let mailbox = names[first.mailbox] else {
      return try await refuse(group, "The mailbox is gone.")
    }
    do {
      switch first.kind {
      case "keywords": try await storeKeywords(group, mailbox)
      case "move", "copy":
        guard let target = first.targetMailbox.flatMap({ names[$0] }) else {
          return try await refuse(group, "The mailbox is gone.")
        }
        try await transfer(group, from: mailbox, to: target)
      case "delete": try await delete(group, mailbox)
      default: try await append(first, mailbox)
      }
    } catch let error as IMAPError {
      guard case .refused(_, let response, let code) = error, !Self.passes(code) else {
        throw error
      }
      logger.info("intent refused", metadata: ["kind": "\(first.kind)"])
      try await refuse(group, response)
    }
  }
}

extension OperationRecord {
  /// Whether one command can carry out both.
  fileprivate func goesWith(_ other: OperationRecord) -> Bool {
    kind == other.kind && kind != "append" && mailbox == other.mailbox
      && targetMailbox == other.targetMailbox && addKeywords == other.addKeywords
      && removeKeywords == other.removeKeywords
  }
}
