package import Model
import Postgres

// A server without UIDPLUS can only be told to expunge whatever carries `\Deleted`. While a message of another client does, what was
// marked for an intent of ours stays, marked; it is remembered, so that it is never taken for another client's.

/// What carries `\Deleted` in a mailbox since an intent of ours wanted it gone.
package struct Leftovers: Sendable {
  /// Their UIDs.
  package var uids: [Int64] = []
  /// Messages of which the intent still waits for the expunging.
  package var waiting: [ID<Message>] = []
}

extension Store {
  /// What intents of ours left in `mailbox`.
  package func leftovers(in mailbox: Mailbox) async throws(ServiceError) -> Leftovers {
    try await attempt {
      let rows = try await pool.query(
        """
        select uid, message_id from operation
        where account_id = \(mailbox.accountID.rawValue) and mailbox_id = \(mailbox.id.rawValue)
          and kind = 'release' and state in ('pending', 'running') and uid is not null
        union all
        select uid, null from leftover
        where account_id = \(mailbox.accountID.rawValue) and mailbox_id = \(mailbox.id.rawValue)
          and uid_validity = \(mailbox.uidValidity)
        """
      )
      var found = Leftovers()
      for row in 0..<rows.count {
        found.uids.append(try rows.int64(row, 0))
        if let message = try rows.optionalInt64(row, 1) { found.waiting.append(ID(message)) }
      }
      return found
    }
  }

  /// Remembers what was marked in `mailbox` and could not be expunged.
  ///
  /// Once its intent is over it is unknown there, like what a fetch left out: a count that fits proves nothing.
  package func noteLeftovers(
    _ uids: [Int64],
    in mailbox: Mailbox
  ) async throws(ServiceError) {
    guard let uidValidity = mailbox.uidValidity else { return }
    try await attempt {
      _ = try await pool.query(
        """
        with unsure as (
          update mailbox set is_unsure = true
          where account_id = \(mailbox.accountID.rawValue) and id = \(mailbox.id.rawValue)
        )
        insert into leftover (account_id, mailbox_id, uid_validity, uid)
        select account_id, id, \(uidValidity), unnest(\(uids)::bigint[]) from mailbox
        where account_id = \(mailbox.accountID.rawValue) and id = \(mailbox.id.rawValue)
        on conflict do nothing
        """
      )
    }
  }

  /// Forgets what was left in `mailbox`: all that was marked there is expunged.
  package func forgetLeftovers(in mailbox: Mailbox) async throws(ServiceError) {
    try await attempt {
      _ = try await pool.query(
        """
        delete from leftover
        where account_id = \(mailbox.accountID.rawValue) and mailbox_id = \(mailbox.id.rawValue)
        """
      )
    }
  }

  /// Forgets those of what was left in `mailbox` that are these messages: somebody wants them to stay.
  func forgetLeftovers(
    _ messages: [Int64],
    in mailbox: ID<Mailbox>,
    of account: ID<Account>,
    on connection: PostgresConnection
  ) async throws {
    guard !messages.isEmpty else { return }
    _ = try await connection.query(
      """
      delete from leftover l using placement p
      where l.account_id = \(account.rawValue) and l.mailbox_id = \(mailbox.rawValue)
        and p.account_id = l.account_id and p.mailbox_id = l.mailbox_id and p.uid = l.uid
        and p.message_id = any (\(messages))
      """
    )
  }
}
