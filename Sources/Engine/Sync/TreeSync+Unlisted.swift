import MailProtocols
import MailTransport
import Model
import Store

extension TreeSync {
  /// Adds to `list` what is known, is not listed, and of which STATUS tells: it is there, whatever LIST says.
  ///
  /// Leniency `shortList`: a session of Dovecot that begins while another one makes the index of the mailboxes anew lists a part of
  /// them, and goes on so. Taken for gone, the others would come back with other ids. What the server answers for by two spellings
  /// of its name, and lists by the one that is not known, was renamed. What it cannot look at just now is not gone either.
  ///
  /// - Returns: Those mailboxes, which a new connection may list.
  func addUnlisted(
    to list: inout [ListedMailbox],
    _ statuses: inout [MailboxName: MailboxStatus],
    _ unclear: inout Set<MailboxName>,
    known: [Mailbox],
    _ items: [StatusItem]
  ) async throws(IMAPError) -> Set<ID<Mailbox>> {
    let names = Set(list.map(\.name))
    let absent = known.filter { mailbox in
      !mailbox.isLocal && !mailbox.isAwaited && !names.contains(mailbox.imapName)
        // Without the one that stands for a name which another mailbox took.
        && !mailbox.encodedName.hasPrefix("\u{1}")
    }
    let asked = absent.filter(\.isSelectable).map(\.imapName)
    guard !asked.isEmpty else { return [] }
    var open: Set<MailboxName> = []
    let counters = items.filter { $0 != .mailboxID }
    let told = try await client.statuses(asked, counters) { name, refusal in
      if refusal.leavesMailboxOpen { open.insert(name) }
    }
    let knownNames = Set(known.map(\.imapName))
    let appeared = list.map(\.name).filter { !knownNames.contains($0) }
    let there = absent.filter { mailbox in
      let status = told[mailbox.imapName]
      guard status != nil || open.contains(mailbox.imapName) else { return false }
      return !appeared.contains { name in
        name.decoded.lowercased() == mailbox.path.lowercased()
          || statuses[name].map { $0.isOfSame(as: status, known: mailbox) } == true
      }
    }
    // What is but a name stands above one that is there.
    let above = absent.filter { name in
      !name.isSelectable
        && there.contains {
          $0.imapName.encoded
            .starts(with: name.imapName.encoded + (name.delimiter ?? "/").utf8)
        }
    }
    for mailbox in there { statuses[mailbox.imapName] = told[mailbox.imapName] }
    unclear.formUnion(open)
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

extension MailboxStatus {
  /// Whether this was told of the mailbox of which `other` was told, as far as they say; where nothing could be told, of which `known`
  /// is known.
  fileprivate func isOfSame(as other: MailboxStatus?, known: Mailbox) -> Bool {
    guard let other else {
      if let mailboxID, let objectID = known.objectID { return mailboxID == objectID }
      guard let validity = known.uidValidity, validity >= MailboxRenames.firstTime else {
        return false
      }
      return uidValidity.map { Int64($0.value) } == validity
    }
    guard let uidValidity, let messages else { return false }
    return uidValidity == other.uidValidity && uidNext == other.uidNext
      && messages == other.messages
  }
}
