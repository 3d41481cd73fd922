import Model
import Store

extension Engine {
  /// Changes where the scripts of an account can be put, and checks what that would send where.
  ///
  /// With the login of the incoming server a secret goes where it was not given for only if the certificate proves that
  /// it is the same host.
  func changeSieve(
    _ account: inout Account,
    after old: Account,
    _ patch: AccountPatch
  ) async throws(ServiceError) {
    if let change = patch.sieve {
      account.sieve = change
    } else if var sieve = account.sieve, !sieve.hasOwnLogin,
      sieve.server.host.lowercased() == old.incoming.host.lowercased(),
      account.incoming.host != old.incoming.host
    {
      // The account has moved, and its scripts with it.
      sieve.server.host = account.incoming.host
      sieve.server.certificateSHA256 = account.incoming.certificateSHA256
      account.sieve = sieve
    }
    try requireSieveNamed(account, old, patch)
    let settings = account.sieve?.backend(besides: account.incoming)
    let before = old.sieve?.backend(besides: old.incoming)
    guard settings != before || account.sieve?.hasOwnLogin != old.sieve?.hasOwnLogin else {
      return
    }
    // A script that is left at another server would go on beside the new one.
    let leaves = patch.sieve != nil && settings?.isSameMailbox(as: before) != true
    if leaves, let server = try await store.scriptServer(of: account.id),
      server.runsRules
    {
      throw ServiceError(
        .conflict,
        "The account's server runs its rules; have the service run them first (rules:withdraw)."
      )
    }
    if old.sieve == nil, try await !store.scripts(of: account.id, atServer: false).isEmpty {
      throw ServiceError(
        .conflict,
        "The account has scripts that the service runs; delete them first."
      )
    }
    // What another server can do is not known.
    account.sieveExtensions = nil
    guard let sieve = account.sieve, let settings else { return }
    try checkHost(settings, "/sieve")
    try checkCleartext(settings, "/sieve")
    try requireSieveSecret(sieve, settings, account, old, patch)
  }

  /// A new login of the incoming server must not go to a host of the old one's scripts that nobody named beside it.
  private func requireSieveNamed(
    _ account: Account,
    _ old: Account,
    _ patch: AccountPatch
  ) throws(ServiceError) {
    guard patch.sieve == nil, let sieve = account.sieve, !sieve.hasOwnLogin,
      sieve.backend(besides: account.incoming).authType.hasSecret,
      account.incoming.needsSecretAgain(after: old.incoming),
      !sieve.isTrusted(with: account.incoming)
    else { return }
    throw ServiceError(
      .conflict,
      "The ManageSieve server would be shown the new login; name sieve in the same request, or null.",
      fields: [
        FieldError(
          pointer: "/sieve",
          code: "required",
          detail: "The settings as they are to be beside the new incoming ones."
        )
      ]
    )
  }

  private func requireSieveSecret(
    _ sieve: SieveSettings,
    _ settings: BackendSettings,
    _ account: Account,
    _ old: Account,
    _ patch: AccountPatch
  ) throws(ServiceError) {
    guard settings.authType.hasSecret else { return }
    let before = old.sieve?.backend(besides: old.incoming)
    // The one secret says nothing of where the other may go.
    let isAnother = old.sieve?.hasOwnLogin != sieve.hasOwnLogin
    guard isAnother || before.map({ settings.needsSecretAgain(after: $0) }) ?? true else { return }
    let pointer: String
    if sieve.hasOwnLogin {
      guard patch.sieveSecret == nil else { return }
      pointer = "/sieve"
    } else {
      guard patch.incomingSecret == nil, !sieve.isTrusted(with: account.incoming) else { return }
      pointer = "/incoming"
    }
    throw ServiceError(
      .secretRequired,
      "Changing where the secret goes needs the secret in the same request.",
      fields: [
        FieldError(
          pointer: "\(pointer)/auth/\(settings.authType.secretName)",
          code: "required",
          detail: "The secret that is to be shown to the ManageSieve server."
        )
      ]
    )
  }
}

extension BackendSettings {
  /// Whether both name one user of one host.
  fileprivate func isSameMailbox(as other: BackendSettings?) -> Bool {
    host.lowercased() == other?.host.lowercased() && username == other?.username
  }
}
