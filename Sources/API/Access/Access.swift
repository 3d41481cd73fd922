import Model

/// What the token of one call allows.
struct Access: Sendable {
  let tokenID: ID<Token>
  let scopes: Set<String>
  /// The accounts that it may see; nil is all.
  let accounts: [ID<Account>]?

  /// Whether the token has `scope`; `admin` holds every other.
  func allows(_ scope: Scope) -> Bool {
    scope == .any || scopes.contains(scope.rawValue) || scopes.contains(Scope.admin.rawValue)
  }

  /// Whether the token may see `account`.
  func allows(_ account: ID<Account>) -> Bool {
    accounts?.contains(account) ?? true
  }

  /// Throws unless the token has `scope`.
  func require(_ scope: Scope) throws(ServiceError) {
    guard allows(scope) else {
      throw ServiceError(.forbidden, "The token lacks the scope \"\(scope.rawValue)\".")
    }
  }

  /// Throws unless the token may see every account, as what concerns all of them needs.
  func requireAllAccounts() throws(ServiceError) {
    guard accounts == nil else {
      throw ServiceError(.forbidden, "The token is bound to some accounts.")
    }
  }
}
