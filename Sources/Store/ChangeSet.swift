import Postgres

/// Kinds of resources that the feed tells of, as `/changes` names them.
package struct FeedNouns: OptionSet, Sendable, Hashable {
  package let rawValue: UInt8

  package init(rawValue: UInt8) { self.rawValue = rawValue }

  package static let messages = FeedNouns(rawValue: 1)
  package static let mailboxes = FeedNouns(rawValue: 2)
  package static let threads = FeedNouns(rawValue: 4)
  package static let submissions = FeedNouns(rawValue: 8)
  package static let operations = FeedNouns(rawValue: 16)
  package static let jobs = FeedNouns(rawValue: 32)
  package static let account = FeedNouns(rawValue: 64)
  package static let rules = FeedNouns(rawValue: 128)
  package static let all = FeedNouns(rawValue: 255)
}

/// The changes of one account since a state, each id under the last thing that became of it.
package struct ChangeSet: Sendable {
  /// Ids of one noun by what became of them, ascending.
  package struct Ids: Sendable, Equatable {
    package var created: [Int64] = []
    package var updated: [Int64] = []
    package var destroyed: [Int64] = []

    var isEmpty: Bool { created.isEmpty && updated.isEmpty && destroyed.isEmpty }
  }

  package var messages = Ids()
  package var mailboxes = Ids()
  package var threads = Ids()
  package var submissions = Ids()
  package var operations = Ids()
  package var jobs = Ids()
  package var rules = Ids()
  /// For mailboxes of which only some properties changed: which.
  package var mailboxProperties: [Int64: [String]] = [:]
  package var accountChanged = false
  package var newState: FeedState
  package var hasMore: Bool

  /// The kinds of resources of which something changed.
  package var nouns: FeedNouns {
    var nouns: FeedNouns = accountChanged ? .account : []
    if !messages.isEmpty { nouns.insert(.messages) }
    if !mailboxes.isEmpty { nouns.insert(.mailboxes) }
    if !threads.isEmpty { nouns.insert(.threads) }
    if !submissions.isEmpty { nouns.insert(.submissions) }
    if !operations.isEmpty { nouns.insert(.operations) }
    if !jobs.isEmpty { nouns.insert(.jobs) }
    if !rules.isEmpty { nouns.insert(.rules) }
    return nouns
  }
}

/// Folds rows of one account's feed, taken in their order, into a set.
struct ChangeSetBuilder {
  private var folds: [FeedNoun: ChangeFold] = [:]
  /// For mailboxes that were updated: of which properties, or nil for any.
  private var properties: [Int64: Set<String>?] = [:]

  /// Takes in a row whose columns from `firstColumn` on are noun, action, ids and properties.
  mutating func apply(_ rows: PostgresRows, _ row: Int, firstColumn: Int) throws {
    guard let noun = FeedNoun(rawValue: try rows.string(row, firstColumn)),
      let action = FeedAction(rawValue: try rows.string(row, firstColumn + 1))
    else { return }
    let ids = try rows.int64Array(row, firstColumn + 2)
    folds[noun, default: ChangeFold()].apply(action, to: ids)
    guard noun == .mailbox, action == .updated else { return }
    let changed = try rows.optionalStringArray(row, firstColumn + 3).map { Set($0) }
    for id in ids {
      var all = changed
      if let known = properties[id] {
        all = if let known, let changed { known.union(changed) } else { nil }
      }
      // By this and no subscript, which would take nil for a removal.
      properties.updateValue(all, forKey: id)
    }
  }

  /// What was taken in.
  func changeSet(newState: FeedState, hasMore: Bool) -> ChangeSet {
    var set = ChangeSet(newState: newState, hasMore: hasMore)
    set.messages = folds[.message]?.ids ?? set.messages
    set.mailboxes = folds[.mailbox]?.ids ?? set.mailboxes
    set.threads = folds[.thread]?.ids ?? set.threads
    set.submissions = folds[.submission]?.ids ?? set.submissions
    set.operations = folds[.operation]?.ids ?? set.operations
    set.jobs = folds[.job]?.ids ?? set.jobs
    set.rules = folds[.rule]?.ids ?? set.rules
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
      // It came back, to a reader that never knew it.
      case (.updated, .nothing): fates[id] = .created
      case (.updated, _): fates[id] = .updated
      case (.destroyed, .created), (.destroyed, .nothing): fates[id] = .nothing
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
