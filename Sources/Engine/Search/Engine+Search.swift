import MailTransport
package import Model
import Net
import Store

extension Engine {
  /// Finds what of a search the database cannot answer: texts of bodies, and header fields that are not kept.
  ///
  /// The server of the account is asked, for as long as `EngineConfiguration.searchTime`; what it did not tell by
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
    try await ask(terms, mailboxes, account, by: deadline, &findings)
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

  private func ask(
    _ terms: [SearchTerm],
    _ mailboxes: [Mailbox],
    _ account: ID<Account>,
    by deadline: Deadline,
    _ findings: inout SearchFindings
  ) async throws(ServiceError) {
    guard !mailboxes.isEmpty else { return }
    let search = ServerSearch(
      terms: terms,
      // The inbox first: where time runs out, it was asked.
      mailboxes: mailboxes.filter { $0.role == "inbox" } + mailboxes.filter { $0.role != "inbox" },
      limit: services.configuration.searchHits
    )
    let failure = await run(search, account, until: deadline)
    for hits in search.found.hits {
      let messages = try await store.messages(withUIDs: hits.uids, in: hits.mailbox, of: account)
      findings.messages[hits.term, default: []] += messages
    }
    for (term, messages) in findings.messages { findings.messages[term] = Set(messages).sorted() }
    let gaps: [SearchGap] = search.mailboxes.compactMap { mailbox in
      let end = search.found.end(of: mailbox.id)
      let reason = end.failure.map { serviceError($0, account) }
      guard let error = end.isOver ? reason : failure ?? timedOut(account) else { return nil }
      return SearchGap(account: account, mailbox: mailbox.id, error: error)
    }
    if gaps.count == search.mailboxes.count, let first = gaps.first {
      findings.gaps = [SearchGap(account: account, mailbox: nil, error: first.error)]
    } else {
      findings.gaps = gaps
    }
  }

  private func timedOut(_ account: ID<Account>) -> ServiceError {
    ServiceError(IMAPError.timedOut, host: services.host(of: account))
  }

  /// Runs a search until it ends or its time is over; why it could not be begun, or broke off.
  private func run(
    _ search: ServerSearch,
    _ account: ID<Account>,
    until deadline: Deadline
  ) async -> ServiceError? {
    await withTaskGroup(of: ServiceError?.self) { group in
      group.addTask { [self] in
        do {
          try await onAccountLoop(account) { pool in
            try await pool.withClient { try await search.run($0, until: deadline) }
          }
          return nil
        } catch {
          return serviceError(error, account)
        }
      }
      group.addTask { [self] in
        do {
          try await Task.sleep(until: deadline)
        } catch {
          return nil  // Cancelled: the search has ended.
        }
        // Who does not answer this may answer nothing any more: the account's worker asks.
        wake(account, .suspicion)
        return timedOut(account)
      }
      let first = await group.next() ?? nil
      group.cancelAll()
      return first
    }
  }
}
