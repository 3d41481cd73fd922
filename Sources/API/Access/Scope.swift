/// What a token may do.
enum Scope: String, CaseIterable, Sendable {
  /// See accounts, mail and feeds.
  case read
  /// Change mail and mailboxes.
  case write
  /// Send mail.
  case send
  /// Manage accounts and tokens; holds every other scope.
  case admin
  /// Not a scope of its own: any token will do.
  case any
}

extension Scope {
  /// The scopes that a token can be given.
  static let grantable: [Scope] = [.read, .write, .send, .admin]
}
