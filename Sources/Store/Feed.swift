import Bytes
package import Model
import Postgres

/// A place in one account's feed of changes; a token to the caller.
package struct FeedState: Sendable, Equatable, CustomStringConvertible {
  /// Which installation's feed, and since which restore.
  package var epoch: Int64
  /// How many changes came before.
  package var seq: Int64

  package init(epoch: Int64, seq: Int64) {
    self.epoch = epoch
    self.seq = seq
  }

  /// The state that `text` spells; nil where it spells none.
  package init?(text: String) {
    var text = text
    text.makeContiguousUTF8()
    var reader = ByteReader(text.utf8.span)
    guard reader.consume("s"), let epoch = reader.number().flatMap(Int64.init(exactly:)),
      reader.consume("-"), let seq = reader.number().flatMap(Int64.init(exactly:)), reader.isAtEnd
    else { return nil }
    self.init(epoch: epoch, seq: seq)
  }

  package var description: String { "s\(epoch)-\(seq)" }
}

/// What kind of resource a change is of.
package enum FeedNoun: String, Sendable {
  case message, mailbox, thread, submission, operation, job, account
}

/// What became of the resources.
package enum FeedAction: String, Sendable {
  case created, updated, destroyed
}

/// One row of the feed to be.
package struct FeedEntry: Sendable {
  package var noun: FeedNoun
  package var action: FeedAction
  package var ids: [Int64]
  /// Which properties changed, where it matters to the reader (a mailbox's counters).
  package var properties: [String]?

  package init(
    _ noun: FeedNoun,
    _ action: FeedAction,
    _ ids: [Int64],
    properties: [String]? = nil
  ) {
    self.noun = noun
    self.action = action
    self.ids = ids
    self.properties = properties
  }
}

/// The changes of one account since a state, each id under the last thing that became of it.
package struct ChangeSet: Sendable {
  /// Ids of one noun by what became of them, ascending.
  package struct Ids: Sendable, Equatable {
    package var created: [Int64] = []
    package var updated: [Int64] = []
    package var destroyed: [Int64] = []
  }

  package var messages = Ids()
  package var mailboxes = Ids()
  package var threads = Ids()
  package var submissions = Ids()
  package var operations = Ids()
  package var jobs = Ids()
  /// For mailboxes of which only some properties changed: which.
  package var mailboxProperties: [Int64: [String]] = [:]
  package var accountChanged = false
  package var newState: FeedState
  package var hasMore: Bool
}

extension Store {
  /// Appends `entries` to the feed of `account`: the last statement before commit, since it locks the account's row.
  func append(
    _ entries: [FeedEntry],
    to account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    let entries = entries.filter { !$0.ids.isEmpty }
    guard !entries.isEmpty else { return }
    _ = try await connection.query(feedStatement(entries, account))
  }

  /// The statement that appends `entries`; an account that is gone takes none.
  func feedStatement(_ entries: [FeedEntry], _ account: ID<Account>) -> SQL {
    var sql: SQL = """
      with bumped as (
        update account set seq = seq + \(Int64(entries.count)) where id = \(account.rawValue)
        returning seq)
      insert into change (account_id, seq, noun, action, ids, properties)
      select \(account.rawValue), bumped.seq - entry.place, entry.noun, entry.action, entry.ids,
        entry.properties
      from bumped, (values
      """
    for (index, entry) in entries.enumerated() {
      if index > 0 { sql.append(", ") }
      sql.append(
        """
        (\(Int64(entries.count - 1 - index))::bigint, \(entry.noun.rawValue)::text,
         \(entry.action.rawValue)::text, \(entry.ids)::bigint[], \(entry.properties)::text[])
        """
      )
    }
    sql.append(") as entry (place, noun, action, ids, properties)")
    return sql
  }

  /// Where the feed of `account` stands.
  package func feedState(of account: ID<Account>) async throws(ServiceError) -> FeedState {
    try await attempt {
      let rows = try await pool.query(stateStatement(account))
      return try feedState(rows)
    }
  }

  func stateStatement(_ account: ID<Account>) -> SQL {
    """
    select installation.feed_epoch, account.seq, account.oldest_seq
    from account, installation where account.id = \(account.rawValue)
    """
  }

  func feedState(_ rows: PostgresRows) throws -> FeedState {
    guard rows.count == 1 else { throw ServiceError.notFound("account") }
    return FeedState(epoch: try rows.int64(0, 0), seq: try rows.int64(0, 1))
  }

  /// What changed in `account` after `since`, at most `limit` rows of the feed.
  package func changes(
    of account: ID<Account>,
    since: FeedState,
    limit: Int
  ) async throws(ServiceError) -> ChangeSet {
    try await attempt {
      let results = try await pool.pipeline([
        stateStatement(account),
        """
        select seq, noun, action, ids, properties from change
        where account_id = \(account.rawValue) and seq > \(since.seq)
        order by seq limit \(Int64(limit + 1))
        """,
      ])
      let state = try feedState(results[0])
      let oldest = try results[0].int64(0, 2)
      guard since.epoch == state.epoch, since.seq <= state.seq, since.seq >= oldest else {
        throw ServiceError(
          .stateTooOld,
          "This state is too old to tell what changed; list again from the start."
        )
      }
      return try changeSet(results[1], since: since, limit: limit)
    }
  }

  private func changeSet(
    _ rows: PostgresRows,
    since: FeedState,
    limit: Int
  ) throws -> ChangeSet {
    var folds: [FeedNoun: ChangeFold] = [:]
    var properties: [Int64: Set<String>?] = [:]
    let count = min(rows.count, limit)
    for row in 0..<count {
      guard let noun = FeedNoun(rawValue: try rows.string(row, 1)),
        let action = FeedAction(rawValue: try rows.string(row, 2))
      else { continue }
      let ids = try rows.int64Array(row, 3)
      folds[noun, default: ChangeFold()].apply(action, to: ids)
      guard noun == .mailbox, action == .updated else { continue }
      let changed = rows.isNull(row, 4) ? nil : Set(try rows.stringArray(row, 4))
      for id in ids {
        if let known = properties[id] {
          properties[id] = known.flatMap { known in changed.map { known.union($0) } }
        } else {
          properties[id] = changed
        }
      }
    }
    let last = count > 0 ? try rows.int64(count - 1, 0) : since.seq
    var set = ChangeSet(
      newState: FeedState(epoch: since.epoch, seq: last),
      hasMore: rows.count > limit
    )
    set.messages = folds[.message]?.ids ?? set.messages
    set.mailboxes = folds[.mailbox]?.ids ?? set.mailboxes
    set.threads = folds[.thread]?.ids ?? set.threads
    set.submissions = folds[.submission]?.ids ?? set.submissions
    set.operations = folds[.operation]?.ids ?? set.operations
    set.jobs = folds[.job]?.ids ?? set.jobs
    set.accountChanged = folds[.account] != nil
    let updatedMailboxes = Set(set.mailboxes.updated)
    for case (let id, .some(let names)) in properties where updatedMailboxes.contains(id) {
      set.mailboxProperties[id] = names.sorted()
    }
    return set
  }
}

/// Folds a sequence of changes into one fate an id.
private struct ChangeFold {
  private enum Fate { case created, updated, destroyed, nothing }
  private var fates: [Int64: Fate] = [:]

  mutating func apply(_ action: FeedAction, to changed: [Int64]) {
    for id in changed {
      switch (action, fates[id]) {
      // A reader that knew an id sees it updated when it was destroyed and made again in between.
      case (.created, .destroyed): fates[id] = .updated
      case (.created, _): fates[id] = .created
      case (.updated, .created): break
      case (.updated, _): fates[id] = .updated
      case (.destroyed, .created): fates[id] = .nothing
      case (.destroyed, _): fates[id] = .destroyed
      }
    }
  }

  var ids: ChangeSet.Ids {
    var ids = ChangeSet.Ids()
    for (id, fate) in fates {
      switch fate {
      case .created: ids.created.append(id)
      case .updated: ids.updated.append(id)
      case .destroyed: ids.destroyed.append(id)
      case .nothing: break
      }
    }
    ids.created.sort()
    ids.updated.sort()
    ids.destroyed.sort()
    return ids
  }
}
