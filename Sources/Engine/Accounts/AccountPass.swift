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

  private var store: Store { services.store }

  // MARK: - All mailboxes

  /// Compares the list of mailboxes, then each mailbox that is not as it was, the inbox first.
  ///
  /// What vanished before the list was read and appeared nowhere is destroyed at the end: what was held
  /// already, and what vanished from a mailbox that was still as the list told it. (A server may have asked
  /// one mailbox before a move and the other after it: then the tombstone gives the id back.)
  ///
  /// - Returns: Whether something vanished since, or has another name, of which only another pass can tell more;
  ///   and the mailboxes that the server lists but would not open.
  func syncAll(
    comparingFlags comparesFlags: Bool,
    isFirst: Bool = false
  ) async throws -> (looksAgain: Bool, unopened: Set<ID<Mailbox>>) {
    // What is told from here on may be newer than what LIST tells.
    _ = told.take()
    let held = Set(try await store.heldPlacements(of: account))
    let items = client.supportedStatusItems(MailboxSync.statusItems)
    var stale: MailboxName?
    var statuses: [MailboxName: MailboxStatus] = [:]
    let mailboxes = try await services.mailboxLocks[account].withLock(
      // Who holds the lock may wait for this very connection.
      meanwhile: { try await lend() },
      {
        stale = try await leaveSelected()
        let listed = try await client.list(returning: ListOptions(status: items))
        for mailbox in listed { statuses[mailbox.name] = mailbox.status }
        try await askUntold(listed, items, &statuses)
        sync.listed.note(statuses)
        let known = try await store.mailboxes(of: account).mailboxes
        try await identify(listed, known, &statuses)
        let renames = MailboxRenames(client: client, store: store)
        return try await store.storeListing(
          MailboxListing.listings(listed, statuses),
          known: known,
          renamed: renames.find(listed, statuses, known: known),
          of: account
        )
      }
    )
    let hidden = try await store.hiddenMessages(of: account)
    var settled: Set<ID<Mailbox>> = []
    var wasReplaced = false
    var refused: Set<ID<Mailbox>> = []
    var unopened: Set<ID<Mailbox>> = []
    for mailbox in inboxFirst(mailboxes) where mailbox.isSelectable {
      let name = MailboxName(encoded: Array(mailbox.encodedName.utf8))
      if name != stale, let status = statuses[name],
        MailboxSync.isCurrent(
          mailbox,
          status,
          hidden: hidden[mailbox.id] ?? HiddenMessages(),
          comparesFlags: comparesFlags
        )
      {
        continue
      }
      let left: SelectedMailbox?
      do {
        left = try await attempt(mailbox) { unopened.insert(mailbox.id) }
      } catch is MailboxSync.ReplacedMailbox {
        wasReplaced = true
        continue
      }
      if left == nil { refused.insert(mailbox.id) }
      if name != stale, left?.isAsTold(by: statuses[name]) == true { settled.insert(mailbox.id) }
    }
    if isFirst { try await store.noteFirstCopies(of: account) }
    // Of a mailbox that could not be looked at nothing is destroyed.
    let all = try await store.heldPlacements(of: account).filter { !refused.contains($0.mailbox) }
    let gone = all.filter { settled.contains($0.mailbox) || held.contains($0) }
    try await store.removeHeld(gone, of: account)
    return (gone.count < all.count || wasReplaced, unopened)
  }

  /// Asks by STATUS for mailboxes of which LIST told no counters: all, where the server has no LIST-STATUS.
  ///
  /// Where it has, an answer was one that no grammar takes, for which MAILBOXID is known
  /// (`garbledMailboxID`): that is asked for alone.
  private func askUntold(
    _ listed: [ListedMailbox],
    _ items: [StatusItem],
    _ statuses: inout [MailboxName: MailboxStatus]
  ) async throws(IMAPError) {
    let untold = listed.filter { $0.isSelectable && statuses[$0.name] == nil }.map(\.name)
    guard !untold.isEmpty else { return }
    let counters = items.filter { $0 != .mailboxID }
    statuses.merge(try await client.statuses(untold, counters)) { $1 }
  }

  /// Asks for the MAILBOXIDs that should have come with the counters, alone, which Cyrus answers well.
  ///
  /// A mailbox that is known under this name with this UIDVALIDITY has the id that it had.
  private func identify(
    _ listed: [ListedMailbox],
    _ known: [Mailbox],
    _ statuses: inout [MailboxName: MailboxStatus]
  ) async throws(IMAPError) {
    guard client.capabilities.contains(.objectID) else { return }
    let byName = Dictionary(known.map { ($0.imapName, $0) }) { first, _ in first }
    let unidentified = listed.map(\.name).filter { name in
      guard let status = statuses[name], status.mailboxID == nil else { return false }
      guard let mailbox = byName[name], mailbox.objectID != nil else { return true }
      return mailbox.uidValidity != status.uidValidity.map { Int64($0.value) }
    }
    guard !unidentified.isEmpty else { return }
    for (name, status) in try await client.statuses(unidentified, [.mailboxID]) {
      statuses[name]?.mailboxID = status.mailboxID
    }
  }

  /// Leaves the selected mailbox, of which STATUS would tell what the session knows and not what is there.
  ///
  /// RFC 3501 §6.3.10 says not to ask so; Dovecot answers from the session's view, in which nothing
  /// arrives and nothing goes until another command lets it.
  ///
  /// - Returns: The mailbox that a server without UNSELECT keeps selected: its STATUS says nothing.
  private func leaveSelected() async throws -> MailboxName? {
    guard let selected = client.selected else { return nil }
    if client.capabilities.contains(.unselect) {
      try await client.unselect()
      return nil
    }
    try await client.noop()
    return selected.name
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
    for mailbox in inboxFirst(mailboxes) where mailbox.isSelectable {
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
