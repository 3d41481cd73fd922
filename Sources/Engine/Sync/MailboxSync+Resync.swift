import MailProtocols
import MailTransport
import Model
import Store

// What a server with QRESYNC tells of a mailbox with the SELECT itself (RFC 7162 §3.2.5).

extension MailboxSync {
  /// Opens `mailbox`; with what changed since the last pass, where the server tells that with it.
  func open(
    _ mailbox: Mailbox
  ) async throws -> (selected: SelectedMailbox, changes: MailboxResync?) {
    guard client.isResyncEnabled, let point = mailbox.resyncPoint else {
      return (try await client.select(mailbox.imapName), nil)
    }
    let resync = try await client.select(mailbox.imapName, since: point)
    // What a server that refuses QRESYNC here has and has not is asked with the care of a pass without it.
    // So is one that has lost the versions it told before (leniency `lostVersions`).
    let hasLostVersions = resync.mailbox.highestModSeq.map { $0.value < point.modSeq.value } ?? true
    return (resync.mailbox, resync.means == .qresync && !hasLostVersions ? resync : nil)
  }

  /// Stores what SELECT told: what vanished first, since with the new MODSEQ nobody tells it again.
  ///
  /// Only messages that were known are in it: the others have been fetched since with newer flags.
  func apply(_ changes: MailboxResync, to mailbox: Mailbox) async throws {
    let vanished = changes.vanished.ranges.map { Int64($0.lowerBound)...Int64($0.upperBound) }
    try await store.holdVanished(in: vanished, from: mailbox)
    let modSeq = changes.mailbox.highestModSeq.map { Int64(clamping: $0.value) }
    let changed = changes.changed.compactMap { message in
      message.uid.flatMap { uid in message.flags.map { (uid: uid, flags: $0) } }
    }
    guard changed.isEmpty else { return try await apply(changed, to: mailbox, modSeq: modSeq) }
    if modSeq != mailbox.highestModSeq {
      try await store.setProgress(MailboxProgress(highestModSeq: modSeq), of: mailbox)
    }
  }
}

extension Mailbox {
  /// Up to where the mailbox is known; nil before the end of its first sync and without versions.
  fileprivate var resyncPoint: ResyncPoint? {
    guard syncedDownTo == 1, let uidNext, let highestModSeq, highestModSeq > 0,
      let uidValidity, uidValidity > 0
    else { return nil }
    return ResyncPoint(
      uidValidity: UIDValidity(UInt32(clamping: uidValidity)),
      modSeq: ModSeq(UInt64(highestModSeq)),
      uids: UIDSet(UID(1)...UID(UInt32(clamping: max(uidNext - 1, 1))))
    )
  }
}
