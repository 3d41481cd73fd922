import Engine
import Model
import Postgres
import Store
import TestSupport

/// What callers of the API do meanwhile, drawn from the seed too, as far as the service's timing allows.
final class OwnMailUse {
  private var random: SeededRandom
  private let account: ID<Account>
  private let service: TestService
  /// Subjects of messages that were destroyed here: a copy that another client made of one keeps its own id.
  private(set) var destroyed: Set<String> = []

  init(seed: UInt64, account: ID<Account>, service: TestService) {
    random = SeededRandom(seed: ~seed)
    self.account = account
    self.service = service
  }

  func forgetDestroyed() { destroyed = [] }

  /// A message is destroyed here by somebody else than `step`.
  func note(destroyed subject: String) { destroyed.insert(subject) }

  /// One change of one message; what was done.
  ///
  /// What is gone by then is no failure.
  func step() async throws -> String {
    // Drawn in any case, so that the next step draws the same whatever this one finds.
    let (roll, pick) = (Int.random(in: 0..<100, using: &random), random.next())
    let target = random.next()
    let rows = try await service.query(
      """
      select m.id, m.subject from message m where m.account_id = \(account.rawValue)
        and exists (select 1 from placement p where p.account_id = m.account_id
          and p.message_id = m.id and not p.is_deleted)
      order by m.id
      """
    )
    let mailboxes = try await service.store.mailboxes(of: account).mailboxes
      .filter(\.isSelectable)
    guard rows.count > 0, !mailboxes.isEmpty else { return "own: nothing to do" }
    let row = Int(pick % UInt64(rows.count))
    let message = ID<Message>(try rows.int64(row, 0))
    let mailbox = mailboxes[Int(target % UInt64(mailboxes.count))]
    var patch = MessagePatch()
    let text: String
    switch roll {
    case 0..<35:
      patch.addKeywords = [roll < 20 ? "$flagged" : "own"]
      text = "own: add \(patch.addKeywords)"
    case 35..<50:
      patch.removeKeywords = [roll < 42 ? "$flagged" : "$seen"]
      text = "own: remove \(patch.removeKeywords)"
    case 50..<80:
      patch.mailboxes = [mailbox.id]
      text = "own: move to \(mailbox.path)"
    case 80..<90:
      patch.addMailboxes = [mailbox.id]
      text = "own: copy to \(mailbox.path)"
    default:
      destroyed.insert(try rows.string(row, 1))
      text = "own: destroy"
    }
    do {
      if patch.isEmpty {
        _ = try await service.engine.deleteMessages([message], of: account, isPermanent: true)
      } else {
        _ = try await service.engine.changeMessages([message], of: account, patch)
      }
    } catch let error as ServiceError {
      return "\(text) \(message.rawValue): \(error.code)"
    }
    return "\(text) \(message.rawValue) (\(try rows.string(row, 1)))"
  }
}
