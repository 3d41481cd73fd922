import MailProtocols
import MailTransport
import Model
import Store

extension IMAPBackend {
  func create(_ mailbox: MailboxListing) async throws -> MailboxListing {
    let wire = MailboxName(stored: mailbox.encodedName)
    let listings = try await withClient { client in
      try await client.create(wire)
      try await client.subscribe(wire)
      var listed = try await client.list()
      // Dovecot leaves out of a list what another client renames, or what stands beside it, meanwhile. Its
      // OK says that the mailbox is there.
      if !listed.contains(where: { $0.name == wire }) {
        listed.append(ListedMailbox(name: wire, delimiter: listed.first?.delimiter))
      }
      return MailboxListing.listings(listed)
    }
    // What else the listing tells a sync takes note of: it finds out what was renamed.
    guard let listing = listings.first(where: { $0.encodedName == wire.stored })
    else {
      throw ServiceError(.backendRefused, "The server did not list the mailbox it created.")
    }
    return listing
  }

  func setSubscribed(_ isSubscribed: Bool, _ mailbox: Mailbox) async throws {
    try await withClient { client in
      if isSubscribed {
        try await client.subscribe(mailbox.imapName)
      } else {
        try await client.unsubscribe(mailbox.imapName)
      }
    }
  }

  func rename(_ mailbox: Mailbox, to name: MailboxName, among known: [Mailbox]) async throws {
    try await withClient { client in
      try await client.rename(mailbox.imapName, to: name)
      for (old, new) in known.subscriptions(renaming: mailbox, to: name) {
        try await client.subscribe(new)
        try await client.unsubscribe(old)
      }
    }
  }

  func delete(_ mailbox: Mailbox, ifEmpty: Bool) async throws {
    let countsMessages = ifEmpty && mailbox.isSelectable
    let left = try await withClient { client in
      // A mailbox that is selected cannot be deleted on some servers.
      try await client.examine(.inbox)
      if countsMessages {
        // What has not been synced is in no counter of ours. A server that does not say is not trusted to hold none.
        let left = try await client.status(mailbox.imapName, [.messages]).messages ?? 1
        if left > 0 { return Int64(left) }
      }
      try await client.delete(mailbox.imapName)
      if mailbox.isSubscribed { try await client.unsubscribe(mailbox.imapName) }
      return 0
    }
    if left > 0 { throw ServiceError.mailboxHolds(left) }
  }

  /// What the names of the user's own mailboxes begin with (RFC 2342), as a connection to the server tells it.
  func topLevelPrefix(_ known: [Mailbox]) async throws -> String {
    try await withClient { try await $0.topLevelPrefix(known) }
  }
}
