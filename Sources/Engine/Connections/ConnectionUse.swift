/// What a connection to a mail server is for; whoever is more urgent is let in first.
package enum ConnectionUse: Int, Comparable, Sendable {
  /// A caller waits: for a body, a change of mailboxes, or the outcome of a check of settings.
  case bodies
  /// A message waits to be sent.
  case sending
  /// The account's own: intents and syncs.
  case commands
  /// Waits for what happens.
  case watching

  /// Whether `left` is let in before `right`.
  package static func < (left: ConnectionUse, right: ConnectionUse) -> Bool {
    left.rawValue < right.rawValue
  }
}
