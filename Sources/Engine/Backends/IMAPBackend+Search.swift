import MailTransport
import Model
import Net
import Store

extension IMAPBackend {
  func search(
    _ terms: [SearchTerm],
    in mailboxes: [Mailbox],
    until deadline: Deadline,
    addingTo findings: inout SearchFindings
  ) async throws(ServiceError) {
    let search = ServerSearch(
      terms: terms,
      // The inbox first: where time runs out, it was asked.
      mailboxes: mailboxes.filter { $0.role == "inbox" } + mailboxes.filter { $0.role != "inbox" },
      limit: services.configuration.searchHits
    )
    let failure = await run(search, until: deadline)
    for hits in search.found.hits {
      let messages = try await services.store.messages(
        withUIDs: hits.uids,
        in: hits.mailbox,
        of: account
      )
      findings.messages[hits.term, default: []] += messages
    }
    for (term, messages) in findings.messages { findings.messages[term] = Set(messages).sorted() }
    let gaps: [SearchGap] = search.mailboxes.compactMap { mailbox in
      let end = search.found.end(of: mailbox.id)
      let reason = end.failure.map { services.serviceError($0, account) }
      guard let error = end.isOver ? reason : failure ?? timedOut else { return nil }
      return SearchGap(account: account, mailbox: mailbox.id, error: error)
    }
    if gaps.count == search.mailboxes.count, let first = gaps.first {
      findings.gaps = [SearchGap(account: account, mailbox: nil, error: first.error)]
    } else {
      findings.gaps = gaps
    }
  }

  private var timedOut: ServiceError {
    ServiceError(IMAPError.timedOut, host: services.host(of: account))
  }

  /// Runs a search until it ends or its time is over; why it could not be begun, or broke off.
  private func run(_ search: ServerSearch, until deadline: Deadline) async -> ServiceError? {
    await withTaskGroup(of: ServiceError?.self) { group in
      group.addTask { [self] in
        do {
          try await withClient { try await search.run($0, until: deadline) }
          return nil
        } catch {
          return services.serviceError(error, account)
        }
      }
      group.addTask { [self] in
        do {
          try await Task.sleep(until: deadline)
        } catch {
          return nil  // Cancelled: the search has ended.
        }
        // Who does not answer this may answer nothing any more: the account's worker asks.
        signal.notify(.suspicion)
        return timedOut
      }
      let first = await group.next() ?? nil
      group.cancelAll()
      return first
    }
  }
}
