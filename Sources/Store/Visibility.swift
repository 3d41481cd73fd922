import Model
import Postgres

// A message that carries `\Deleted` in each of its mailboxes waits for an EXPUNGE (RFC 3501 §2.3.2) and is not shown. To
// callers it is gone, and here again where the flag is taken back: so the feed says that it was destroyed, or created.

/// What the feed says of messages whose flags, or places, changed.
struct ShownChanges {
  /// The messages that are shown, before and after.
  var updated: [Int64] = []
  /// Those that came into sight or went out of it, or stayed out of it.
  var doubtful: Set<Int64> = []
  /// What is to be said of all of them, and of their threads.
  var entries: [FeedEntry] = []
}

extension Store {
  /// Sorts messages of `mailbox` that changed, as `merged` says or by having taken the place of a copy, by whether callers see them.
  func shownChanges(
    _ merged: MergedFlags,
    moved: [Int64] = [],
    in mailbox: ID<Mailbox>,
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws -> ShownChanges {
    let all = Set(merged.changed + moved)
    let doubtful = Set(merged.hidden + merged.shown + merged.stayedHidden + moved)
    guard !doubtful.isEmpty else { return ShownChanges(all.subtracting(doubtful)) }
    let rows = try await connection.query(
      """
      select m.id, m.thread_id, exists (\(placesShown("m.id", account))),
        exists (\(placesShown("m.id", account)) and p.mailbox_id <> \(mailbox.rawValue))
      from message m where m.account_id = \(account.rawValue) and m.id = any (\(doubtful.sorted()))
      """
    )
    let (shownHere, hiddenHere) = (Set(merged.shown), Set(merged.stayedHidden))
    var updated = all.subtracting(doubtful)
    var (created, destroyed): ([Int64], [Int64]) = ([], [])
    /// How many messages of each thread are seen that were not, and are not seen that were.
    var (grown, shrunk): ([Int64: Int64], [Int64: Int64]) = ([:], [:])
    for row in 0..<rows.count {
      let (id, thread) = (try rows.int64(row, 0), try rows.int64(row, 1))
      let wasHiddenHere = shownHere.contains(id) || hiddenHere.contains(id)
      let wasShown = try !wasHiddenHere || rows.bool(row, 3)
      switch (wasShown, try rows.bool(row, 2)) {
      case (true, true): updated.insert(id)
      case (false, false): break
      case (false, true):
        created.append(id)
        grown[thread, default: 0] += 1
      case (true, false):
        destroyed.append(id)
        shrunk[thread, default: 0] += 1
      }
    }
    var changes = ShownChanges(updated)
    changes.doubtful = doubtful
    changes.entries += [
      FeedEntry(.message, .created, created.sorted()),
      FeedEntry(.message, .destroyed, destroyed.sorted()),
    ]
    changes.entries += try await threadEntries(grown, shrunk, of: account, on: connection)
    return changes
  }

  /// Finds the placements `p` in which the message `id` is shown.
  func placesShown(_ id: SQL, _ account: ID<Account>) -> SQL {
    """
    select 1 from placement p where p.account_id = \(account.rawValue) and p.message_id = \(id)
      and not p.is_deleted
    """
  }
}

extension ShownChanges {
  fileprivate init(_ updated: Set<Int64>) {
    self.updated = updated.sorted()
    entries = [FeedEntry(.message, .updated, self.updated)]
  }
}
