import Logging
import MailProtocols
import MailTransport
import Model
import Net
import Store

/// One pass over the mailboxes of an account, on the connection that syncs.
///
/// The list of mailboxes tells which of them differ from what is stored; those are opened, one after
/// another. What the watch told of is opened without a list.
struct AccountPass {
  /// The account whose mailboxes these are.
  let account: ID<Account>
  let client: IMAPClient
  let services: EngineServices
  /// Those who may want the connection meanwhile.
  let bodies: BodyPool
  /// What the watch told of.
  let told: ToldMailboxes
  let sync: MailboxSync
  let logger: Logger

  /// What a pass over all mailboxes leaves to be done.
  struct Outcome {
    /// Whether something vanished since the list was read, of which only another pass can tell more.
    var hasHeld: Bool
    /// Whether a mailbox was another one than was listed.
    var foundReplaced: Bool
    /// The mailboxes that the server lists but would not open, or tells of but does not list.
    var doubtful: Set<ID<Mailbox>>

    /// Whether another pass is needed.
    var looksAgain: Bool { hasHeld || foundReplaced }
  }

  private var store: Store { services.store }

  // MARK: - All mailboxes

  /// Compares the list of mailboxes, then each mailbox that is not as it was, the inbox first.
  ///
  /// What vanished before the list was read and appeared nowhere is destroyed at the end: what was held
  /// already, and what vanished from a mailbox that was still as the list told it. (A server may have asked
  /// one mailbox before a move and the other after it: then the tombstone gives the id back.)
  ///
  /// A list that contradicts itself throws `MailboxRenames.OutdatedList`, or with `believesList` is stored. Those that are `hidden`
  /// another connection did not list either.
  func syncAll(
    comparingFlags comparesFlags: Bool,
    isFirst: Bool,
    believesList: Bool,
    hidden: Set<ID<Mailbox>>
  ) async throws -> Outcome {
    // What is told from here on may be newer than what LIST tells.
    _ = told.take()
    let held = Set(try await store.heldPlacements(of: account))
    let tree = TreeSync(client: client, store: store, account: account, listed: sync.listed)
    let read = try await services.mailboxLocks[account].withLock(
      // Who holds the lock may wait for this very connection.
      meanwhile: { try await lend() },
      { try await tree.run(believesList: believesList, hidden: hidden) }
    )
    let marked = try await store.hiddenMessages(of: account)
    var settled: Set<ID<Mailbox>> = []
    var wasReplaced = false
    var refused: Set<ID<Mailbox>> = []
    var doubtful = read.unlisted
    for mailbox in inboxFirst(read.mailboxes) where mailbox.isOpenable {
      let name = MailboxName(stored: mailbox.encodedName)
      if name != read.stale, let status = read.statuses[name],
        MailboxSync.isCurrent(
          mailbox,
          status,
          hidden: marked[mailbox.id] ?? HiddenMessages(),
          comparesFlags: comparesFlags
        )
      {
        continue
      }
      let left: SelectedMailbox?
      do {
        left = try await attempt(mailbox) { doubtful.insert(mailbox.id) }
      } catch is MailboxSync.ReplacedMailbox {
        wasReplaced = true
        continue
      }
      if left == nil { refused.insert(mailbox.id) }
      if name != read.stale, left?.isAsTold(by: read.statuses[name]) == true {
        settled.insert(mailbox.id)
      }
    }
    for mailbox in read.mailboxes where mailbox.isName {
      guard mailbox.totalMessages > 0 || marked[mailbox.id] != nil else { continue }
      try await store.holdVanished(store.knownUIDs(of: mailbox), from: mailbox)
    }
    if isFirst { try await store.noteFirstCopies(of: account) }
    // Of a mailbox that could not be looked at nothing is destroyed.
    let all = try await store.heldPlacements(of: account).filter { !refused.contains($0.mailbox) }
    let gone = all.filter { settled.contains($0.mailbox) || held.contains($0) }
    try await store.removeHeld(gone, of: account)
    return Outcome(
      hasHeld: gone.count < all.count,
      foundReplaced: wasReplaced,
      doubtful: doubtful
    )
  }

  // MARK: - Some mailboxes

  /// Looks at the mailboxes of which the watch told.
  ///
  /// - Returns: Whether another pass is needed: something vanished, of which only that can tell whether
  ///   it moved, or a mailbox is not known yet.
  func syncTold(hasInbox: Bool) async throws -> Bool {
    let names = told.take()
    var mailboxes: [Mailbox] = []
    if names.isEmpty {
      if let inbox = try await store.mailbox(role: "inbox", of: account) { mailboxes = [inbox] }
    } else {
      mailboxes = try await store.mailboxes(of: account).mailboxes.filter {
        names.contains($0.imapName) || hasInbox && $0.role == "inbox"
      }
    }
    for mailbox in inboxFirst(mailboxes) where mailbox.isOpenable {
      do {
        try await attempt(mailbox)
      } catch is MailboxSync.ReplacedMailbox {
        return true
      }
    }
    let known = Set(mailboxes.map(\.imapName))
    if !names.isSubset(of: known) { return true }
    return try await !store.heldPlacements(of: account).isEmpty
  }

  /// A mailbox that the server refuses to open does not stop the others.
  ///
  /// - Returns: The mailbox as the server had it at the end.
  @discardableResult
  private func attempt(
    _ mailbox: Mailbox,
    whenUnopened: () -> Void = {}
  ) async throws -> SelectedMailbox? {
    do {
      return try await sync.run(mailbox)
    } catch let error as IMAPError {
      guard case .refused(let command, let response, _) = error else { throw error }
      if command == "SELECT" { whenUnopened() }
      logger.notice(
        "mailbox refused",
        metadata: ["mailbox": "\(mailbox.id)", "reason": "\(command): \(response)"]
      )
      return nil
    }
  }
  /// Lends the connection to those who wait for it, or waits an instant.
  private func lend() async throws {
    if await !bodies.lend(client) {
      try await EventLoop.current?.sleep(until: .now + .milliseconds(5))
    }
  }

  private func inboxFirst(_ mailboxes: [Mailbox]) -> [Mailbox] {
    mailboxes.filter { $0.role == "inbox" } + mailboxes.filter { $0.role != "inbox" }
  }
}

extension Mailbox {
  /// Whether the server has it and opens it.
  fileprivate var isOpenable: Bool { isSelectable && !isLocal && !isAwaited }

  /// Whether the server has but a name of it, with other mailboxes below (RFC 3501 §6.3.4): what it held is gone.
  fileprivate var isName: Bool { !isSelectable && !isLocal && !isAwaited }
}
