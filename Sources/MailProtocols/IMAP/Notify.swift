/// What a server is to tell unasked, of the open mailbox and of others (RFC 5465).
///
///     C: A7 NOTIFY SET STATUS (selected (MessageNew (UID FLAGS) MessageExpunge FlagChange))
///        (personal (MessageNew MessageExpunge MailboxName))
///     S: * STATUS "Archive" (MESSAGES 12 UIDNEXT 13 UIDVALIDITY 7)
///     S: A7 OK done
package struct NotifyRequest: Hashable, Sendable {
  /// When the open mailbox's changes are told.
  package enum Selected: String, Sendable {
    /// At once, so that places move between any two responses.
    case immediate = "selected"
    /// New messages and flags at once, expunges when a command allows it.
    case delayed = "selected-delayed"
  }

  /// Mailboxes that are not open (§6).
  package enum Mailboxes: Hashable, Sendable {
    /// All that mail may be delivered to.
    case inboxes
    /// All of the user's own.
    case personal
    case subscribed
    /// These, and all below them.
    case subtree([MailboxName])
    case mailboxes([MailboxName])
  }

  /// A kind of change (§5); servers may know others.
  package struct Event: RawRepresentable, Hashable, Sendable {
    package let rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }

    package static let messageNew = Self(rawValue: "MessageNew")
    package static let messageExpunge = Self(rawValue: "MessageExpunge")
    /// Only together with the two above.
    package static let flagChange = Self(rawValue: "FlagChange")
    /// Mailboxes made, renamed and deleted.
    package static let mailboxName = Self(rawValue: "MailboxName")
    package static let subscriptionChange = Self(rawValue: "SubscriptionChange")
  }

  /// How to tell of the open mailbox; nil for not at all.
  package var selected: Selected? = .immediate
  /// The other mailboxes; nil for none.
  package var others: Mailboxes? = .personal
  /// What to tell of the others.
  package var events: [Event] = [
    .messageNew, .messageExpunge, .flagChange, .mailboxName, .subscriptionChange,
  ]
  /// Whether the counters of the others are to be told at once.
  package var wantsStatus = true

  /// All of the user's own mailboxes.
  package init() {}
}

extension IMAPCommand {
  /// `NOTIFY NONE`: nothing more is told, not even of the open mailbox (RFC 5465 §3.1).
  package static let notifyNone = IMAPCommand("NOTIFY NONE")

  /// `NOTIFY SET`, in place of what was set before (RFC 5465 §3.1).
  package static func notify(_ request: NotifyRequest) -> IMAPCommand {
    IMAPCommand("NOTIFY SET") {
      if request.wantsStatus { $0.text(" STATUS") }
      if let selected = request.selected {
        $0.text(" (\(selected.rawValue) (MessageNew (UID FLAGS) MessageExpunge FlagChange))")
      }
      guard let others = request.others else { return }
      $0.text(" (")
      $0.mailboxes(others)
      let events = request.events.map(\.rawValue).joined(separator: " ")
      $0.text(events.isEmpty ? " NONE)" : " (\(events)))")
    }
  }
}

extension CommandWriter {
  fileprivate mutating func mailboxes(_ filter: NotifyRequest.Mailboxes) {
    switch filter {
    case .inboxes: text("inboxes")
    case .personal: text("personal")
    case .subscribed: text("subscribed")
    case .subtree(let names): list("subtree", names)
    case .mailboxes(let names): list("mailboxes", names)
    }
  }

  private mutating func list(_ word: String, _ names: [MailboxName]) {
    text("\(word) (")
    for (index, name) in names.enumerated() {
      if index > 0 { text(" ") }
      mailbox(name)
    }
    text(")")
  }
}
