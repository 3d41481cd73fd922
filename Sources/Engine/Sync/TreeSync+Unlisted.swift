import MailProtocols
import MailTransport
import Model
import Store

extension TreeSync {
  /// Adds to `list` what is known, is not listed, and of which STATUS tells: it is there, whatever LIST says.
  ///
  /// Leniency `shortList`: a session of Dovecot that begins while another one makes the index of the mailboxes anew lists a part of
  /// them, and goes on so. Taken for gone, the others would come back with other ids.
  ///
  /// - Returns: Those mailboxes, which a new connection may list.
  func addUnlisted(
    to list: inout [ListedMailbox],
    _ statuses: inout [MailboxName: MailboxStatus],
    known: [Mailbox],
    _ items: [StatusItem]
  ) async throws(IMAPError) -> Set<ID<Mailbox>> {
    let names = Set(list.map(\.name))
    let absent = known.filter { !$0.isLocal && !$0.isAwaited && !names.contains($0.imapName) }
    let asked = absent.filter(\.isSelectable).map(\.imapName)
    guard !asked.isEmpty else { return [] }
    let told = try await client.statuses(asked, items.filter { $0 != .mailboxID })
    let there = absent.filter { told[$0.imapName] != nil }
    // What is but a name stands above one that is there.
    let above = absent.filter { name in
      !name.isSelectable
        && there.contains { $0.encodedName.hasPrefix(name.encodedName + (name.delimiter ?? "/")) }
    }
    statuses.merge(told) { $1 }
    list += (there + above).map(ListedMailbox.init(known:))
    return Set(there.map(\.id))
  }
}

extension ListedMailbox {
  /// As the server listed it before.
  fileprivate init(known mailbox: Mailbox) {
    self.init(name: mailbox.imapName, delimiter: mailbox.delimiter?.utf8.first)
    if mailbox.isSubscribed { attributes.insert(.subscribed) }
    if !mailbox.isSelectable { attributes.insert(.noSelect) }
    if let role = mailbox.role, let use = MailboxListing.use(of: role) { attributes.insert(use) }
  }
}
