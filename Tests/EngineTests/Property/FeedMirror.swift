import Model
import Postgres
import Store
import TestSupport

/// What a caller knows who listed everything once and has followed `/changes` since, taking it at its word: what it was told of is
/// there until it is told that it is destroyed.
struct FeedMirror {
  private(set) var state: FeedState
  /// Mailboxes and keywords of each message, as text.
  private(set) var messages: [Int64: String]
  /// The threads that have messages.
  private(set) var threads: Set<Int64>

  /// A caller who has just listed everything.
  init(of account: ID<Account>, in service: TestService) async throws {
    // The state first: what changes in between is told again, which does no harm.
    state = try await service.store.feedState(of: account)
    messages = try await Self.list(of: account, in: service)
    threads = try await Self.threads(of: account, in: service)
  }

  /// A caller who knows nothing, and follows the feed from its beginning.
  init(fromStartOf account: ID<Account>, in service: TestService) async throws {
    let now = try await service.store.feedState(of: account)
    state = FeedState(epoch: now.epoch, seq: 0)
    (messages, threads) = ([:], [])
  }

  /// Follows the feed to its end, so many rows at a time, and then looks at what it told of.
  mutating func follow(
    _ account: ID<Account>,
    in service: TestService,
    limit: Int = 7
  ) async throws {
    var hasMore = true
    var told: Set<Int64> = []
    while hasMore {
      let changes = try await service.store.changes(of: account, since: state, limit: limit)
      told.formUnion(changes.messages.created)
      told.formUnion(changes.messages.updated)
      for id in changes.messages.destroyed {
        told.remove(id)
        messages[id] = nil
      }
      threads.formUnion(changes.threads.created)
      threads.formUnion(changes.threads.updated)
      threads.subtract(changes.threads.destroyed)
      state = changes.newState
      hasMore = changes.hasMore
    }
    guard !told.isEmpty else { return }
    let listed = try await Self.list(of: account, in: service)
    for id in told { messages[id] = listed[id] ?? "not listed" }
  }

  /// All that a list shows now.
  static func list(
    of account: ID<Account>,
    in service: TestService
  ) async throws -> [Int64: String] {
    let rows = try await service.query(
      """
      select message_id, string_agg(mailbox_id || ' ' || keywords::text, ', ' order by mailbox_id)
      from placement
      where account_id = \(account.rawValue) and not is_deleted
      group by message_id
      """
    )
    var found: [Int64: String] = [:]
    for row in 0..<rows.count { found[try rows.int64(row, 0)] = try rows.string(row, 1) }
    return found
  }

  /// What the feed says of one id, from the beginning.
  static func told(
    of id: Int64,
    _ noun: String,
    of account: ID<Account>,
    in service: TestService
  ) async throws -> String {
    let rows = try await service.query(
      """
      select coalesce(string_agg(seq || ' ' || action, ', ' order by seq), '') from change
      where account_id = \(account.rawValue) and noun = \(noun) and \(id) = any (ids)
      """
    )
    return try rows.string(0, 0)
  }

  /// All threads that a list shows now.
  static func threads(
    of account: ID<Account>,
    in service: TestService
  ) async throws -> Set<Int64> {
    let rows = try await service.query(
      """
      select distinct m.thread_id from placement p
      join message m on m.account_id = p.account_id and m.id = p.message_id
      where p.account_id = \(account.rawValue) and not p.is_deleted
      """
    )
    return Set(try (0..<rows.count).map { try rows.int64($0, 0) })
  }
}
