package import Model
import Postgres

/// The mailbox that takes mail for an address, and how much room is left.
package struct MailAddressee: Sendable {
  package let account: ID<Account>
  package let inbox: ID<Mailbox>
  package let keptBytes: Int64
  /// How many bytes the account may keep; nil is the service's limit.
  package let quotaBytes: Int64?
}

extension Store {
  /// Who of the accounts whose mail is kept here has `address`, of an identity or as its own; nil where nobody does.
  ///
  /// Case does not matter. Where several have it, the oldest account does.
  package func addressee(_ address: String) async throws(ServiceError) -> MailAddressee? {
    try await addressee(
      where:
        """
        account_addresses(a.email, a.identities) @> array[lower(\(address))]
        """
    )
  }

  /// The inbox of an account, if its mail is kept here.
  package func addressee(_ account: ID<Account>) async throws(ServiceError) -> MailAddressee? {
    try await addressee(where: "a.id = \(account.rawValue)")
  }

  /// Who takes the mail for the postmaster of no domain (RFC 5321 §4.5.1): the oldest account that has such an address, or else
  /// the oldest of all.
  package func postmaster() async throws(ServiceError) -> MailAddressee? {
    try await addressee(
      where: "true",
      first:
        """
        not exists (select 1 from unnest(account_addresses(a.email, a.identities)) as address
          where address like 'postmaster@%'),
        """
    )
  }

  /// Who takes the mail for the postmaster of `domain`, where nobody has that address: the oldest account that is there.
  ///
  /// Its identities do not count: the domain of one may be anybody's.
  package func postmaster(of domain: String) async throws(ServiceError) -> MailAddressee? {
    let end = "@\(domain)"
    return try await addressee(
      where:
        """
        right(lower(a.email), char_length(lower(\(end)))) = lower(\(end))
        """
    )
  }

  private func addressee(
    where condition: SQL,
    first order: SQL = ""
  ) async throws(ServiceError) -> MailAddressee? {
    try await attempt {
      let rows = try await pool.query(
        """
        select a.id, b.id, a.kept_bytes, a.quota_bytes
        from account a join mailbox b on b.account_id = a.id and b.role = 'inbox' and b.is_local
        where a.incoming ->> 'protocol' = 'local' and
        """ + " " + condition + " order by " + order + " a.id limit 1"
      )
      guard rows.count == 1 else { return nil }
      return MailAddressee(
        account: ID(try rows.int64(0, 0)),
        inbox: ID(try rows.int64(0, 1)),
        keptBytes: try rows.int64(0, 2),
        quotaBytes: try rows.optionalInt64(0, 3)
      )
    }
  }

  /// The accounts, of any kind, that send as `address`, oldest first.
  package func accounts(sendingAs address: String) async throws(ServiceError) -> [Account] {
    try await accounts(
      where: "account_addresses(email, identities) @> array[lower(\(address))]"
    )
  }
}
