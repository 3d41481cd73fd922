package import Model
import Net
import Store

extension Engine {
  /// Finds what of a search the database cannot answer: texts of bodies, and header fields that are not kept.
  ///
  /// The server of the account, where it has one, is asked, for as long as `EngineConfiguration.searchTime`; what it did not tell by
  /// then is a gap. A query without such terms costs nothing. With `continues` what the page before found is used
  /// again, where it is still known, so that going through the pages asks the server once.
  package func find(
    _ query: MessageQuery,
    role: String? = nil,
    of account: ID<Account>,
    continues: Bool = false
  ) async throws(ServiceError) -> SearchFindings {
    let terms = query.search?.termsOfServers ?? []
    guard !terms.isEmpty else { return SearchFindings() }
    let key = RecentSearches.Key(
      account: account,
      mailbox: query.mailbox,
      role: role,
      terms: terms
    )
    if continues, let known = services.searches[key] { return known }
    let mailboxes = try await store.mailboxes(of: account).mailboxes.filter { mailbox in
      mailbox.isSelectable && mailbox.totalMessages > 0
        && query.mailbox.map { $0 == mailbox.id } ?? role.map { $0 == mailbox.role } ?? true
    }
    let time = services.configuration.searchTime
    let deadline = Deadline.after(time)
    var findings = SearchFindings()
    // What is kept here has half of the time, so that the server is asked in any case.
    let gap = try await findHere(terms, account, by: deadline - time / 2, &findings)
    var elsewhere = mailboxes.filter { !$0.isLocal && !$0.isAwaited }
    if !elsewhere.isEmpty, try await store.copyProgress(of: account).isWhole { elsewhere = [] }
    if !elsewhere.isEmpty {
      do throws(ServiceError) {
        try await backend(of: account)
          .search(terms, in: elsewhere, until: deadline, addingTo: &findings)
      } catch  where error.isRetryable {
        findings.gaps = [SearchGap(account: account, mailbox: nil, error: error)]
      }
    }
    if let gap { findings.gaps.append(gap) }
    if findings.gaps.isEmpty { services.searches[key] = findings }
    return findings
  }

  /// Looks for terms in the messages kept here; what could not be told in time.
  private func findHere(
    _ terms: [SearchTerm],
    _ account: ID<Account>,
    by deadline: Deadline,
    _ findings: inout SearchFindings
  ) async throws(ServiceError) -> SearchGap? {
    do throws(ServiceError) {
      for term in terms {
        findings.messages[term] = try await store.localMessages(
          with: term,
          of: account,
          deadline: deadline
        )
      }
      return nil
    } catch {
      guard error.code == .unavailable, deadline <= .now else { throw error }
      let late = ServiceError(
        .unavailable,
        "The messages that are kept here could not be searched in time.",
        cause: error.cause,
        isRetryable: true
      )
      return SearchGap(account: account, mailbox: nil, error: late)
    }
  }
}
