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

  /// The mailboxes that callers made, as they are shown.
  func mailboxes() async throws -> [ID<Mailbox>: Mailbox] {
    Dictionary(
      uniqueKeysWithValues: try await service.store.mailboxes(of: account).mailboxes
        .filter { $0.path.hasPrefix("own") }.map { ($0.id, $0) }
    )
  }

  /// One change of a mailbox that callers made; what was done.
  func mailboxStep() async throws -> String {
    let (roll, pick, place) = (
      Int.random(in: 0..<100, using: &random), random.next(), random.next()
    )
    // Few, so that a name is soon that of another mailbox.
    let name = "own\(random.next() % 4)"
    let all = try await mailboxes().keys.sorted { $0.rawValue < $1.rawValue }
    let target = all.isEmpty ? nil : all[Int(pick % UInt64(all.count))]
    let parent = all.isEmpty || place % 2 == 0 ? nil : all[Int(place / 2 % UInt64(all.count))]
    let below = parent.map { "\($0.rawValue)" } ?? "the top"
    var text = "own: create \(name) below \(below)"
    do {
      guard roll >= 35, let target else {
        let made = try await service.engine.createMailbox(account, name: name, parent: parent)
        return "\(text): \(made.id.rawValue)"
      }
      switch roll {
      case ..<70:
        text = "own: rename \(target.rawValue) to \(name) below \(below)"
        _ = try await service.engine.updateMailbox(
          target,
          of: account,
          name: name,
          parent: .some(parent),
          isSubscribed: nil
        )
      case ..<80:
        text = "own: subscribe to \(target.rawValue)"
        _ = try await service.engine.updateMailbox(
          target,
          of: account,
          name: nil,
          parent: nil,
          isSubscribed: roll < 75
        )
      default:
        text = "own: delete mailbox \(target.rawValue)"
        let subjects = try await subjects(in: target)
        try await service.engine.deleteMailbox(target, of: account, isPermanent: true)
        destroyed.formUnion(subjects)
      }
    } catch let error as ServiceError {
      return "\(text): \(error.code)"
    }
    return text
  }

  /// The messages of a mailbox are destroyed with it.
  func noteDestroyed(in mailbox: ID<Mailbox>) async throws {
    destroyed.formUnion(try await subjects(in: mailbox))
  }

  private func subjects(in mailbox: ID<Mailbox>) async throws -> [String] {
    let rows = try await service.query(
      """
      select m.subject from placement p
      join message m on m.account_id = p.account_id and m.id = p.message_id
      where p.account_id = \(account.rawValue) and p.mailbox_id = \(mailbox.rawValue)
      """
    )
    return try (0..<rows.count).map { try rows.string($0, 0) }
  }

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
