package import MailProtocols

/// What a server tells of the selected mailbox without being asked.
package enum MailboxEvent: Hashable, Sendable {
  /// There are this many messages now.
  case exists(UInt32)
  /// The message with this place is gone; all behind it moved up by one.
  case expunged(sequenceNumber: UInt32)
  /// These messages are gone.
  case vanished(UIDSet)
  /// A message's flags changed; the UID may be absent.
  case changed(FetchedMessage)
  /// The counters of a mailbox that is not open, told because of NOTIFY; some may be absent.
  case status(MailboxName, MailboxStatus)
  /// A mailbox was made, renamed or deleted, or its subscription changed, told because of NOTIFY.
  case listed(ListedMailbox)
  /// The server gave up telling of other mailboxes (RFC 5465 §5.8).
  case notificationsEnded
  /// A text that the server wants people to see.
  case alert(String)
  /// More happened than was kept: the mailbox is to be compared as a whole.
  case overflowed
}

/// A bounded queue of events.
struct MailboxEvents {
  private var events: [MailboxEvent] = []

  mutating func append(_ event: MailboxEvent, limit: Int) {
    if events.first == .overflowed { return }
    if events.count >= limit { events = [.overflowed] } else { events.append(event) }
  }

  mutating func take() -> [MailboxEvent] {
    defer { events = [] }
    return events
  }
}
