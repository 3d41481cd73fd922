import MailProtocols
import MailTransport
import Model
import Net
import Store
import Synchronization

/// Asks an account's server for the terms of a search that only it can answer, a mailbox after the other.
///
/// It runs on the account's loop, over one of the connections that read bodies. What was found so far stays in
/// `found` when the time is over.
struct ServerSearch: Sendable {
  /// What one mailbox has of one term.
  struct Hits: Sendable {
    var term: SearchTerm
    var mailbox: ID<Mailbox>
    var uids: [Int64]
  }

  let terms: [SearchTerm]
  let mailboxes: [Mailbox]
  /// How many UIDs of one term are taken.
  let limit: Int
  let found = Found()

  /// What was found, and what could not be asked.
  final class Found: Sendable {
    private struct State {
      var hits: [Hits] = []
      var done: Set<ID<Mailbox>> = []
      var failures: [ID<Mailbox>: IMAPError] = [:]
    }

    private let state = Mutex(State())

    var hits: [Hits] { state.withLock { $0.hits } }

    /// How many UIDs of `term` were found.
    func count(of term: SearchTerm) -> Int {
      state.withLock { $0.hits.reduce(0) { $0 + ($1.term == term ? $1.uids.count : 0) } }
    }

    func add(_ hits: Hits) { state.withLock { $0.hits.append(hits) } }

    func finish(_ mailbox: ID<Mailbox>, _ failure: IMAPError? = nil) {
      state.withLock { state in
        state.done.insert(mailbox)
        state.failures[mailbox] = failure
      }
    }

    /// Whether `mailbox` had its turn, and why it failed then.
    func end(of mailbox: ID<Mailbox>) -> (isOver: Bool, failure: IMAPError?) {
      state.withLock { ($0.done.contains(mailbox), $0.failures[mailbox]) }
    }
  }

  /// Asks for every term in every mailbox; one that refuses is passed over.
  func run(_ client: IMAPClient, until deadline: Deadline) async throws {
    for mailbox in mailboxes {
      do throws(IMAPError) {
        try await run(mailbox, client, deadline)
        found.finish(mailbox.id)
      } catch {
        // Broken off from outside, which says nothing of the mailbox: it had no turn.
        if Task.isCancelled { throw error }
        found.finish(mailbox.id, error)
        if error.hasBrokenConnection { throw error }
      }
    }
  }

  private func run(
    _ mailbox: Mailbox,
    _ client: IMAPClient,
    _ deadline: Deadline
  ) async throws(IMAPError) {
    // Without SELECT again no message that arrived since would be found.
    let opened = try await client.examine(mailbox.imapName, deadline: deadline)
    guard opened.storedUIDValidity == mailbox.uidValidity else {
      throw .refused(command: "UID SEARCH", response: "UIDVALIDITY changed.", code: nil)
    }
    for term in terms {
      let uids = try await client.search(Self.criteria(term), deadline: deadline)
      guard found.count(of: term) + uids.count <= limit else {
        throw .refused(
          command: "UID SEARCH",
          response: "More than \(limit) messages were found.",
          code: nil
        )
      }
      let numbers = uids.uids.map { Int64($0.value) }
      if !numbers.isEmpty {
        found.add(Hits(term: term, mailbox: mailbox.id, uids: numbers))
      }
    }
  }

  private static func criteria(_ term: SearchTerm) -> SearchCriteria {
    switch term {
    case .field(.body, let text): .body(text)
    case .header(let name, let value): .header(name: name, value: value ?? "")
    default: .all  // No other term is asked of servers.
    }
  }
}
