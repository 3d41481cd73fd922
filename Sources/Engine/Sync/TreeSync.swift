import MailProtocols
import MailTransport
import Model
import Store

/// Reads which mailboxes the server has, and stores it.
struct TreeSync {
  let client: IMAPClient
  let store: Store
  let account: ID<Account>
  let listed: ListedMailboxes

  /// What the server told, and what is stored of it.
  struct Tree {
    var mailboxes: [Mailbox] = []
    var statuses: [MailboxName: MailboxStatus] = [:]
    /// The mailbox that an odd server keeps selected: its STATUS says nothing.
    var stale: MailboxName?
    /// The mailboxes that are there, but were not listed.
    var unlisted: Set<ID<Mailbox>> = []
  }

  /// How often the list is read because it was not true any more when its mailboxes were looked at.
  ///
  /// Another client may rename a mailbox and rename it back within the instant in between, or while the
  /// server walks through its directories; taken for gone, it would come back with another id. What two
  /// lists do not have is gone.
  private static let mostLists = 4

  /// Lists the mailboxes, finds out which were renamed, and stores the list.
  ///
  /// It may open other mailboxes than the selected one. Where no list is without contradictions it throws
  /// `MailboxRenames.OutdatedList`, or with `believesList` stores the last one. Those that are `hidden` another connection did not
  /// list either.
  func run(believesList: Bool, hidden: Set<ID<Mailbox>> = []) async throws -> Tree {
    var tree = Tree()
    let items = client.supportedStatusItems(MailboxSync.statusItems)
    let renames = MailboxRenames(client: client, store: store)
    var missing: Set<ID<Mailbox>> = []
    for number in 1...Self.mostLists {
      tree.stale = try await leaveSelected()
      var list = try await client.list(returning: ListOptions(status: items))
      tree.statuses = [:]
      for mailbox in list { tree.statuses[mailbox.name] = mailbox.status }
      let (names, untold) = try await askUntold(list, items, &tree.statuses)
      for place in list.indices where names.contains(list[place].name) {
        list[place].attributes.insert(.noSelect)
      }
      let known = try await store.mailboxes(of: account).mailboxes
      var unclear = untold
      tree.unlisted = try await addUnlisted(
        to: &list,
        &tree.statuses,
        &unclear,
        known: known,
        items
      )
      listed.note(tree.statuses)
      try await identify(list, known, &tree.statuses)
      do {
        let isLast = believesList && number == Self.mostLists
        let found = try await renames.find(
          list,
          tree.statuses,
          // One that is kept here alone is nobody's, and so is one that is not there yet.
          known: known.filter { !$0.isLocal && !$0.isAwaited },
          unclear: unclear,
          believes: isLast
        )
        guard found.missing.isSubset(of: missing) || isLast else {
          missing = found.missing
          continue
        }
        // A list that leaves out what is there may leave out the name by which another is known now.
        guard tree.unlisted.isSubset(of: hidden) || found.missing.isEmpty || isLast else {
          continue
        }
        tree.mailboxes = try await store.storeListing(
          MailboxListing.listings(list, tree.statuses),
          known: known,
          renamed: found.renamed,
          of: account
        )
        return tree
      } catch is MailboxRenames.OutdatedList {
        continue
      }
    }
    throw MailboxRenames.OutdatedList()
  }

  /// Asks by STATUS for mailboxes of which LIST told no counters: all, where the server has no LIST-STATUS.
  ///
  /// Where it has, an answer was one that no grammar takes, for which MAILBOXID is known
  /// (`garbledMailboxID`): that is asked for alone.
  ///
  /// - Returns: Those that are but names, with others below them (RFC 3501 §6.3.4). Leniency `lostNoselect`: Dovecot leaves
  ///   `\Noselect` out of what it lists with counters; that a mailbox does not exist, which it says then, is as clear. And those of
  ///   which the server cannot tell just now.
  private func askUntold(
    _ listed: [ListedMailbox],
    _ items: [StatusItem],
    _ statuses: inout [MailboxName: MailboxStatus]
  ) async throws(IMAPError) -> (names: Set<MailboxName>, unclear: Set<MailboxName>) {
    let untold = listed.filter { $0.isSelectable && statuses[$0.name] == nil }.map(\.name)
    guard !untold.isEmpty else { return ([], []) }
    let counters = items.filter { $0 != .mailboxID }
    var missing: Set<MailboxName> = []
    var unclear: Set<MailboxName> = []
    let told = try await client.statuses(untold, counters) { name, refusal in
      if refusal.saysMissing { missing.insert(name) }
      if refusal.leavesMailboxOpen { unclear.insert(name) }
    }
    statuses.merge(told) { $1 }
    // Where one below it answers, the server has its storage at hand.
    let names = missing.filter { name in
      name != .inbox
        && listed.contains { other in
          guard let delimiter = other.delimiter else { return false }
          return statuses[other.name] != nil
            && other.name.encoded.starts(with: name.encoded + [delimiter])
        }
    }
    return (names, unclear)
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
  /// A session also goes on telling of its mailbox under the name that it was opened by, though another
  /// may have the name by now.
  ///
  /// - Returns: The mailbox that an odd server keeps selected.
  private func leaveSelected() async throws(IMAPError) -> MailboxName? {
    try await client.leaveSelected()
    return client.selected?.name
  }
}
