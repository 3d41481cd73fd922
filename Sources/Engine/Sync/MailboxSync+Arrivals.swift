import MailProtocols
import MailTransport
import Model
import Store

// What appears in a mailbox after the account's first sync may have been in another one before.

extension MailboxSync {
  /// Fetches `slices` one after another and stores them, oldest first within each.
  ///
  /// What may have been elsewhere before is put aside until the fetch of its slice has ended: then the
  /// other mailboxes are asked whether it is still there. `progress` is what holds once all UIDs of a
  /// slice are stored; what is told within a slice holds for the part up to a UID.
  func fetchArrivals(
    _ slices: [UIDSet],
    into mailbox: Mailbox,
    _ progress: (ClosedRange<UID>) -> MailboxProgress,
    within: (UID) -> MailboxProgress = { _ in MailboxProgress() }
  ) async throws {
    for slice in slices {
      guard let bounds = slice.bounds else { continue }
      let fetch = client.fetch(
        slice,
        .summary,
        batchSize: configuration.batch,
        newestFirst: false,
        previews: slice.count <= configuration.previewed
      )
      var doubtful: [NewMessage] = []
      var candidates = RematchCandidates()
      var hollow: [UID] = []
      while let batch = try await fetch.next() {
        hollow += batch.filter(\.isHollow).compactMap(\.uid)
        var rows = await Self.rows(of: batch.filter { !$0.isHollow }, now)
        var mayBeCopies = false
        if rematches, !rows.isEmpty {
          let found = try await store.rematchCandidates(of: rows, in: mailbox)
          candidates.formUnion(found)
          mayBeCopies = !found.ours.isEmpty
          doubtful += rows.filter { found.identities.contains($0.identity) }
          rows.removeAll { found.identities.contains($0.identity) }
        }
        guard let highest = rows.compactMap(\.uid).max() else { continue }
        try await store.merge(
          rows,
          into: mailbox,
          // Nothing counts as synced that lies above what was put aside.
          progress: doubtful.isEmpty && hollow.isEmpty
            ? within(UID(UInt32(clamping: highest)))
            : MailboxProgress(),
          matching: mayBeCopies ? .copies : .none
        )
      }
      doubtful += try await lookAgain(hollow)
      try await rematch(doubtful, candidates, in: mailbox)
      try await store.setProgress(progress(bounds), of: mailbox)
    }
  }

  /// Those of `hollow` that are still there, whatever the server now tells of them.
  private func lookAgain(_ hollow: [UID]) async throws -> [NewMessage] {
    guard !hollow.isEmpty else { return [] }
    // Until then a session may go on telling of what is gone (RFC 3501 §7.4.1).
    try await client.noop()
    let left = UIDSet(try await client.search(.uids(UIDSet(hollow.sorted()))).uids)
    guard !left.isEmpty else { return [] }
    let fetch = client.fetch(left, .summary, batchSize: configuration.batch)
    var found: [NewMessage] = []
    while let batch = try await fetch.next() { found += await Self.rows(of: batch, now) }
    return found
  }

  /// Stores messages that may have been elsewhere, after a look at where they were.
  private func rematch(
    _ doubtful: [NewMessage],
    _ candidates: RematchCandidates,
    in mailbox: Mailbox
  ) async throws {
    guard !doubtful.isEmpty else { return }
    try await holdMoved(candidates, for: doubtful, in: mailbox)
    for start in stride(from: 0, to: doubtful.count, by: configuration.batch) {
      let part = Array(doubtful[start..<min(start + configuration.batch, doubtful.count)])
      try await store.merge(part, into: mailbox, progress: MailboxProgress(), matching: .all)
    }
  }

  /// Holds those candidates that are gone from where they were; `mailbox` is selected again after it.
  ///
  /// One that carries `\Deleted` is as good as gone where a message appeared that does not: so a client
  /// moves that knows no MOVE (RFC 6851 §3.3).
  private func holdMoved(
    _ candidates: RematchCandidates,
    for doubtful: [NewMessage],
    in mailbox: Mailbox
  ) async throws {
    let visible = Set(doubtful.filter { !$0.isDeleted }.map(\.identity))
    let places = Dictionary(grouping: candidates.places, by: \.mailbox)
    for (id, places) in places.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
      guard let other = try await store.mailbox(id, of: mailbox.accountID), other.isSelectable
      else { continue }
      do {
        if client.selected?.name != other.imapName { try await client.examine(other.imapName) }
        guard client.uidValidity == other.uidValidity else {
          // Its UIDs say nothing any more: a pass over it finds what is still there. That takes note of
          // the UIDVALIDITY first, so that no pass begins within itself. A mailbox that was replaced since
          // the list was read tells nothing: what moved is then two messages for a moment.
          if let opened = client.selected, listed.agrees(opened, other) { try await run(other) }
          continue
        }
        for needsVisible in [true, false] {
          let uids = places.filter { visible.contains($0.identity) == needsVisible }.map(\.uid)
          let gone = try await gone(uids, orDeleted: needsVisible)
          try await store.holdVanished(gone, maybeThere: needsVisible, from: other)
        }
      } catch let error as IMAPError {
        // A mailbox that is gone or cannot be opened tells nothing; its own sync finds out.
        guard case .refused = error else { throw error }
      }
    }
    if client.selected?.name != mailbox.imapName || client.selected?.isReadOnly != false {
      _ = try await reselect(mailbox)
    }
  }

  /// Those of `uids` that the selected mailbox does not have, or with `orDeleted` has as `\Deleted`.
  private func gone(_ uids: [Int64], orDeleted: Bool) async throws -> [Int64] {
    guard !uids.isEmpty else { return [] }
    let set = UIDSet(uids.map { UID(UInt32(clamping: $0)) }.sorted())
    let left = try await client.search(
      orDeleted ? .and([.uids(set), .withoutFlag(.deleted)]) : .uids(set)
    )
    return uids.filter { !left.contains(UID(UInt32(clamping: $0))) }
  }
}
