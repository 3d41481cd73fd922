import Model
import Postgres

// A part of a text is looked for in two steps. What the texts of an account have of words is far less than its texts: the
// words that hold the part are found first, and messages then by those words. Both are answered by indexes.

/// What words say of the places of a part of a text.
enum WordNarrowing: Equatable {
  /// No message has it.
  case nothing
  /// Messages that match this query may have it; `tsquery` in its text form.
  case query(String)
  /// Any message may have it.
  case anything
}

extension Store {
  /// Of how many words a part of a text may be part before it is taken for one that is everywhere.
  private static let wordsLookedUp: Int64 = 300

  /// Where the texts that a search names a part of may be found, by part.
  func narrowings(
    of parts: [String],
    in account: ID<Account>
  ) async throws -> [String: WordNarrowing] {
    guard !parts.isEmpty else { return [:] }
    let rows = try await pool.query(
      """
      select n.number - 1, string_agg('(' || w.any_of || ')', ' & '), coalesce(bool_or(w.count = 0), false)
      from unnest(\(parts)::text[]) with ordinality as n (part, number)
      left join lateral unnest(\(Self.words("n.part"))) as l on true
      left join lateral (
        select count(*) as count, case when count(*) <= \(Self.wordsLookedUp) then string_agg('''' ||
          replace(replace(o.word, '\\', '\\\\'), '''', '''''') || '''', ' | ') end as any_of
        from (select o.word from search_word o where o.account_id = \(account.rawValue)
            and o.word like '%' || l.lexeme || '%'
          limit \(Self.wordsLookedUp + 1)) as o
      ) as w on l.lexeme is not null
      group by n.number
      """
    )
    var found: [String: WordNarrowing] = [:]
    for row in 0..<rows.count {
      let part = parts[Int(try rows.int64(row, 0))]
      if try rows.bool(row, 2) {
        found[part] = .nothing
      } else {
        found[part] = try rows.optionalString(row, 1).map { .query($0) } ?? .anything
      }
    }
    return found
  }
}
