import Model
import Postgres
import TestSupport

/// What the database knows of some messages or mailboxes, for the words of a failure.
///
/// Times are seconds of the wall clock, as in the log of what the clients did.
struct Story {
  let service: TestService
  let account: ID<Account>

  /// The messages with one of `ids`, and what may be taken for them.
  func messages(_ ids: [Int64]) async throws -> [String] {
    let known: SQL = "account_id = \(account.rawValue) and message_id = any (\(ids))"
    let equal: SQL = """
      account_id = \(account.rawValue) and identity in (select identity from message
        where account_id = \(account.rawValue) and id = any (\(ids)))
      """
    return try await lines([
      """
      select 'message ' || id || ' ' || left(encode(identity, 'hex'), 8) || ' ' || received_at
        || coalesce(' ' || email_id, '') || coalesce(' ' || subject, '')
      from message where account_id = \(account.rawValue) and id = any (\(ids)) order by id
      """,
      """
      select 'placement of ' || message_id || ' in ' || mailbox_id || coalesce(' uid ' || uid, '')
        || ' origin ' || origin || case when is_deleted then ' deleted' else '' end
      from placement where \(known) order by message_id
      """,
      """
      select 'copy ' || message_id || ' number ' || ordinal || ' at ' || \(Self.seconds("at"))
      from message_copy where \(equal) order by ordinal
      """,
      """
      select 'tombstone of ' || message_id || ' at ' || \(Self.seconds("at"))
      from tombstone where \(equal) order by at
      """,
      """
      select 'operation ' || kind || ' ' || state || ' of ' || message_id || ' in ' || mailbox_id
        || coalesce(' to ' || target_mailbox_id, '') || ' at ' || \(Self.seconds("created_at"))
      from operation where \(known) order by ordinal
      """,
    ]) + changes(of: "message", ids) + mailboxes([])
  }

  /// All mailboxes as they are, and the changes of those with one of `ids`.
  func mailboxes(_ ids: [Int64]) async throws -> [String] {
    try await lines([
      """
      select 'mailbox ' || id || ' ' || path || coalesce(' validity ' || uid_validity, '')
        || coalesce(' next ' || uid_next, '') || coalesce(' ' || object_id, '')
      from mailbox where account_id = \(account.rawValue) order by id
      """
    ]) + (ids.isEmpty ? [] : changes(of: "mailbox", ids))
  }

  private func changes(of noun: String, _ ids: [Int64]) async throws -> [String] {
    try await lines([
      """
      select \(Self.seconds("at")) || ' ' || noun || ' ' || action || ' '
        || (select string_agg(id::text, ',') from unnest(ids) as i (id) where id = any (\(ids)))
        || coalesce(' ' || array_to_string(properties, ','), '')
      from change where account_id = \(account.rawValue) and noun = \(noun)
        and ids && \(ids)::bigint[] order by seq
      """
    ])
  }

  private static func seconds(_ column: SQL) -> SQL {
    "to_char(extract(epoch from \(column))::numeric % 10000, 'FM0000.000')"
  }

  private func lines(_ statements: [SQL]) async throws -> [String] {
    var lines: [String] = []
    for statement in statements {
      let rows = try await service.query(statement)
      lines += try (0..<rows.count).map { try rows.string($0, 0) }
    }
    return lines
  }
}
