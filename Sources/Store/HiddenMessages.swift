package import Model
import Postgres

/// What parts the server's count of a mailbox's messages from the one that the API shows.
package struct HiddenMessages: Sendable, Equatable {
  /// How many messages the server counts and the API does not show.
  ///
  /// Those are the ones that carry `\Deleted`, less those that a move of ours shows already.
  package var count: Int64 = 0
  /// Whether messages wait to be matched with what the server has.
  package var haveUnmatched = false
  /// How many messages that are not seen the API shows and the server does not have.
  package var unseenHere: Int64 = 0

  /// Nothing hidden, nothing unmatched.
  package init() {}
}

extension Store {
  /// What is hidden in each mailbox of `account`; those that hide nothing are left out.
  package func hiddenMessages(
    of account: ID<Account>
  ) async throws(ServiceError) -> [ID<Mailbox>: HiddenMessages] {
    try await attempt {
      let rows = try await pool.query(
        """
        select mailbox_id, sum(n)::bigint, bool_or(is_unmatched), sum(unseen)::bigint from (
          select mailbox_id, 1 as n, false as is_unmatched, 0 as unseen from placement
          where account_id = \(account.rawValue) and is_deleted
          union all
          select mailbox_id, -1, origin = \(PlacementOrigin.unmatched.rawValue),
            case when origin = \(PlacementOrigin.local.rawValue) and not is_seen then 1 else 0 end
          from placement
          where account_id = \(account.rawValue) and uid is null
          union all
          select mailbox_id, 1, false, 0 from operation
          where account_id = \(account.rawValue) and kind in \(Self.leavingKinds)
            and state in ('pending', 'running') and uid is not null
        ) as hidden group by mailbox_id
        """
      )
      var hidden: [ID<Mailbox>: HiddenMessages] = [:]
      for row in 0..<rows.count {
        var found = HiddenMessages()
        found.count = try rows.int64(row, 1)
        found.haveUnmatched = try rows.bool(row, 2)
        found.unseenHere = try rows.int64(row, 3)
        hidden[ID(try rows.int64(row, 0))] = found
      }
      return hidden
    }
  }
}
