import Model
import Postgres
import Store
import TestSupport

/// What a caller knows who listed everything once and has followed `/changes` since.
struct FeedMirror {
  private(set) var state: FeedState
  /// Mailboxes and keywords of each message, as text.
  private(set) var messages: [Int64: String]

  /// A caller who has just listed everything.
  init(of account: ID<Account>, in service: TestService) async throws {
    // The state first: what changes in between is told again, which does no harm.
    state = try await service.store.feedState(of: account)
    messages = try await Self.list(of: account, in: service)
  }

  /// A caller who knows nothing, and follows the feed from its beginning.
  init(fromStartOf account: ID<Account>, in service: TestService) async throws {
    let now = try await service.store.feedState(of: account)
    state = FeedState(epoch: now.epoch, seq: 0)
    messages = [:]
  }

  /// Follows the feed to its end.
  mutating func follow(_ account: ID<Account>, in service: TestService) async throws {
    var hasMore = true
    while hasMore {
      let changes = try await service.store.changes(of: account, since: state, limit: 7)
      for id in changes.messages.created + changes.messages.updated {
        messages[id] = try await Self.list(of: account, only: id, in: service)[id]
      }
      for id in changes.messages.destroyed { messages[id] = nil }
      state = changes.newState
      hasMore = changes.hasMore
    }
  }

  /// All that a list shows now.
  static func list(
    of account: ID<Account>,
    only id: Int64? = nil,
    in service: TestService
  ) async throws -> [Int64: String] {
    let rows = try await service.query(
      """
      select message_id, string_agg(mailbox_id || ' ' || keywords::text, ', ' order by mailbox_id)
      from placement
      where account_id = \(account.rawValue) and not is_deleted
        and (\(id)::bigint is null or message_id = \(id))
      group by message_id
      """
    )
    var found: [Int64: String] = [:]
    for row in 0..<rows.count { found[try rows.int64(row, 0)] = try rows.string(row, 1) }
    return found
  }
}
