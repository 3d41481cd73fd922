import Model
import Postgres
import Store
import TestSupport

/// Watches that ids never change, whatever other clients do.
///
/// The clients make copies, so a subject may have several messages. Which of equal messages went where
/// cannot be told; but as many of the ids that were there must be there still as there are messages left,
/// and as long as there is one, its id is one that was there before: the check is of sets of ids.
struct IDWatch {
  private var messages: [String: Set<Int64>] = [:]
  private var mailboxes: [Int: Int64] = [:]

  /// Compares with what was there the last time; the failures.
  mutating func look(
    _ account: ID<Account>,
    _ service: TestService,
    except exempt: Set<String>
  ) async throws -> [String] {
    let story = Story(service: service, account: account)
    let rows = try await service.query(
      """
      select m.subject, m.id from placement p
      join message m on m.account_id = p.account_id and m.id = p.message_id
      where p.account_id = \(account.rawValue)
      """
    )
    var now: [String: Set<Int64>] = [:]
    for row in 0..<rows.count {
      now[try rows.string(row, 0), default: []].insert(try rows.int64(row, 1))
    }
    var wrong: [String] = []
    for (subject, ids) in now.sorted(by: { $0.key < $1.key }) {
      if let before = messages[subject], !exempt.contains(subject),
        before.intersection(ids).count < min(before.count, ids.count)
      {
        wrong.append("\(subject): \(before.sorted()) became \(ids.sorted())")
        wrong += try await story.messages(before.union(ids).sorted())
      }
      messages[subject] = ids
    }
    return wrong
  }

  /// Compares the ids of mailboxes; those that are `unknowable` may have lost theirs.
  mutating func look(
    at known: [Mailbox],
    _ numbers: [String: Int],
    except unknowable: Set<Int>,
    _ story: Story
  ) async throws -> [String] {
    var wrong: [String] = []
    for mailbox in known {
      guard let number = numbers[mailbox.path] else { continue }
      if let before = mailboxes[number], before != mailbox.id.rawValue,
        !unknowable.contains(number)
      {
        wrong.append("mailbox \(mailbox.path): \(before) became \(mailbox.id.rawValue)")
        wrong += try await story.mailboxes([before, mailbox.id.rawValue])
      }
      mailboxes[number] = mailbox.id.rawValue
    }
    return wrong
  }
}
