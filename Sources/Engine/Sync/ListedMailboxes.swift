import MailProtocols
import MailTransport
import Model
import Synchronization

/// What the server told of its mailboxes when they were last listed, for as long as one connection lasts.
///
/// Another client may rename a mailbox, and give its name to another one, before it is opened by that name:
/// its UIDVALIDITY then is not the one that was told. Nothing is stored of such a mailbox until it was listed
/// anew. A server that goes on telling two values of one mailbox is believed what SELECT says.
final class ListedMailboxes: Sendable {
  private struct State {
    var uidValidities: [MailboxName: UIDValidity] = [:]
    var doubts: [ID<Mailbox>: Int] = [:]
  }

  /// How often a mailbox is left alone, one pass after another.
  private static let mostDoubts = 3
  private let state = Mutex(State())

  /// Takes note of a listing.
  func note(_ statuses: [MailboxName: MailboxStatus]) {
    state.withLock { $0.uidValidities = statuses.compactMapValues(\.uidValidity) }
  }

  /// Whether `opened` can be the mailbox that was listed under its name.
  func agrees(_ opened: SelectedMailbox) -> Bool {
    guard opened.name != .inbox, let told = state.withLock({ $0.uidValidities[opened.name] })
    else { return true }
    return opened.uidValidity == nil || opened.uidValidity == told
  }

  /// Whether `opened` is to be taken for `mailbox`.
  func accepts(_ opened: SelectedMailbox, as mailbox: Mailbox) -> Bool {
    let agrees = agrees(opened)
    return state.withLock { state in
      let doubts = state.doubts[mailbox.id] ?? 0
      let accepts = agrees || doubts >= Self.mostDoubts
      state.doubts[mailbox.id] = accepts ? nil : doubts + 1
      return accepts
    }
  }
}
