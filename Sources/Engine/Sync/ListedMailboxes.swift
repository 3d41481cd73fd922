import MailProtocols
import MailTransport
import Model
import Synchronization

/// What the server told of its mailboxes when they were last listed, for as long as one connection lasts.
///
/// Another client may rename a mailbox, and give its name to another one, before it is opened by that name:
/// its UIDVALIDITY then is not the one that was told. Nothing is stored of such a mailbox until it was listed
/// anew.
final class ListedMailboxes: Sendable {
  private let uidValidities = Mutex<[MailboxName: UIDValidity]>([:])

  /// Takes note of a listing.
  func note(_ statuses: [MailboxName: MailboxStatus]) {
    uidValidities.withLock { $0 = statuses.compactMapValues(\.uidValidity) }
  }

  /// Whether `opened` can be the mailbox that was listed under its name, or `known` where nothing was told of it.
  ///
  /// A server tells no STATUS of a mailbox that goes while it lists: another may have the name by now.
  func agrees(_ opened: SelectedMailbox, _ known: Mailbox) -> Bool {
    guard opened.name != .inbox, let uidValidity = opened.uidValidity else { return true }
    if let told = uidValidities.withLock({ $0[opened.name] }) { return uidValidity == told }
    return known.uidValidity == nil || known.uidValidity == Int64(uidValidity.value)
  }
}
