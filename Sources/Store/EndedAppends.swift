import Model
import Postgres

/// What becomes of intents to append messages to a mailbox, which cannot be done.
///
/// A message that is shown in the mailbox is kept there alone, and the intent has the reason. To the other mailboxes where it is shown,
/// as copied or moved from here, it is appended.
struct EndedAppends {
  /// A place where a message is shown that the server does not have there.
  struct Place {
    var mailbox: Int64
    var keywords: [String]
    /// Whether the server has the mailbox, and an intent to append has yet to be made.
    var isOpen: Bool
  }

  /// The intents that stay, refused.
  private(set) var refused: [Int64] = []
  /// The intents that append to another mailbox now.
  private(set) var redirected: [(intent: Int64, place: Place)] = []
  /// The intents that nothing is left of.
  private(set) var dropped: [Int64] = []
  /// Where messages are yet to be appended by intents of their own.
  private(set) var missing: [(message: Int64, place: Place)] = []

  /// Decides on the intents of each message; `alone` are those that the server has nowhere, and `places` where those are shown.
  init(
    _ intents: [Int64: Int64],
    in mailbox: Int64,
    alone: Set<Int64>,
    places: [Int64: [Place]]
  ) {
    for (message, intent) in intents.sorted(by: { $0.key < $1.key }) {
      let known = places[message] ?? []
      var open = known.filter { $0.isOpen && $0.mailbox != mailbox }
      if !alone.contains(message) || known.contains(where: { $0.mailbox == mailbox }) {
        refused.append(intent)
      } else if open.isEmpty {
        dropped.append(intent)
      } else {
        redirected.append((intent, open.removeFirst()))
      }
      missing += open.map { (message, $0) }
    }
  }

  /// The statements that end the intents, with `reason` where they are refused, and make those that are missing under `fresh` ids.
  func statements(
    reason: String,
    fresh: [Int64],
    account: ID<Account>
  ) -> [SQL] {
    let number = account.rawValue
    let ends: [SQL] = [
      """
      update operation set state = 'refused', last_error = \(reason)
      where account_id = \(number) and id = any (\(refused))
      """,
      "delete from operation where account_id = \(number) and id = any (\(dropped))",
    ]
    let redirections: [SQL] = redirected.map { intent, place in
      """
      update operation set state = 'pending', attempts = 0, last_error = null, stays = true,
        mailbox_id = \(place.mailbox), add_keywords = \(place.keywords)
      where account_id = \(number) and id = \(intent)
      """
    }
    let appends = zip(fresh, missing).map { id, missing in
      PlannedOperation(
        appending: missing.message,
        to: missing.place.mailbox,
        keywords: missing.place.keywords
      ).insert(id, account)
    }
    return ends + redirections + appends
  }
}
