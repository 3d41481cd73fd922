package import Model
import Net
package import Store

/// An account to be made.
package struct AccountDraft: Sendable {
  package var name: String?
  package var email: String
  package var mode: AccountMode
  package var incoming: BackendSettings
  package var incomingSecret: Secret?
  package var outgoing: BackendSettings?
  package var outgoingSecret: Secret?
  package var identities: [Identity]
  /// How many bytes it may have in its local mailboxes; nil is the service's limit.
  package var quotaBytes: Int64?
  package var sieve: SieveSettings?
  package var sieveSecret: Secret?

  package init(
    name: String?,
    email: String,
    mode: AccountMode,
    incoming: BackendSettings,
    incomingSecret: Secret?,
    outgoing: BackendSettings?,
    outgoingSecret: Secret?,
    identities: [Identity]
  ) {
    self.name = name
    self.email = email
    self.mode = mode
    self.incoming = incoming
    self.incomingSecret = incomingSecret
    self.outgoing = outgoing
    self.outgoingSecret = outgoingSecret
    self.identities = identities
  }
}

/// What changes of an account; nil leaves.
package struct AccountPatch: Sendable {
  package var name: String?
  package var email: String?
  package var mode: AccountMode?
  package var incoming: BackendSettings?
  package var incomingSecret: Secret?
  /// `.some(nil)` removes.
  package var outgoing: BackendSettings??
  package var outgoingSecret: Secret?
  package var identities: [Identity]?
  /// `.some(nil)` is the service's limit.
  package var quotaBytes: Int64??
  /// `.some(nil)` removes.
  package var sieve: SieveSettings??
  package var sieveSecret: Secret?

  package init() {}
}

extension Engine {
  /// Stores the account and starts to connect; returns at once, in state `connecting`.
  ///
  /// An account whose mailboxes are kept here has the usual ones from the start, and is `ready` where there is nothing to connect to.
  package func createAccount(
    _ draft: AccountDraft,
    claim: IdempotencyClaim? = nil
  ) async throws(ServiceError) -> Account {
    try check(draft.incoming, secret: draft.incomingSecret, "/incoming")
    if let outgoing = draft.outgoing {
      try check(outgoing, secret: draft.outgoingSecret, "/outgoing")
    }
    if let sieve = draft.sieve {
      let secret = sieve.hasOwnLogin ? draft.sieveSecret : draft.incomingSecret
      try check(sieve.backend(besides: draft.incoming), secret: secret, "/sieve")
    }
    let identities =
      draft.identities.isEmpty
      ? [
        Identity(
          id: "idn_1",
          name: draft.name,
          email: draft.email,
          replyTo: nil,
          isDefault: true
        )
      ] : draft.identities
    let account = try await store.insertAccount(
      name: draft.name ?? draft.email,
      email: draft.email,
      mode: draft.mode,
      incoming: draft.incoming,
      incomingSecret: draft.incomingSecret,
      outgoing: draft.outgoing,
      outgoingSecret: draft.outgoingSecret,
      identities: identities,
      quotaBytes: draft.quotaBytes,
      sieve: draft.sieve,
      sieveSecret: draft.sieveSecret,
      localMailboxes: Self.mailboxes(of: draft.incoming.kind),
      isReady: draft.incoming.kind == .local,
      claim: claim
    )
    startWorker(account)
    if account.sieve != nil { store.scriptServers.tell() }
    return account
  }

  /// The mailboxes that an account begins with here; a POP3 inbox is complete when its server was looked at.
  private static func mailboxes(of kind: BackendSettings.Kind) -> [MailboxListing] {
    guard kind.hasLocalMailboxes else { return [] }
    return LocalBackend.mailboxes.map { mailbox in
      var mailbox = mailbox
      mailbox.awaitsMail = kind == .pop3 && mailbox.role == "inbox"
      return mailbox
    }
  }

  /// Changes settings; connections are made again where they matter to them.
  package func updateAccount(
    _ id: ID<Account>,
    _ patch: AccountPatch,
    ifVersion: Int64?
  ) async throws(ServiceError) -> Account {
    guard var account = try await store.account(id) else { throw .notFound("account") }
    let old = account
    try await change(&account, patch)
    try await changeSieve(&account, after: old, patch)
    var updated = try await store.updateAccount(
      account,
      incomingSecret: patch.incomingSecret,
      outgoingSecret: patch.outgoingSecret,
      erasesIncomingSecret: !account.incoming.authType.hasSecret,
      erasesOutgoingSecret: account.outgoing?.authType != .password,
      sieveSecret: patch.sieveSecret,
      ifVersion: ifVersion
    )
    // The mode says what is kept here, and what becomes of the mail on the server.
    let hasOtherMode = account.incoming.kind != .local && account.mode != old.mode
    if account.incoming != old.incoming || patch.incomingSecret != nil || hasOtherMode {
      await stopWorker(id)
      try await store.setState(.connecting, failure: nil, of: id)
      (updated.state, updated.lastError) = (.connecting, nil)
      startWorker(updated)
    }
    store.scriptServers.tell()
    return updated
  }

  /// Makes the account what a patch asks for, as far as that is allowed.
  private func change(
    _ account: inout Account,
    _ patch: AccountPatch
  ) async throws(ServiceError) {
    let old = account
    account.name = patch.name ?? account.name
    account.email = patch.email ?? account.email
    account.mode = patch.mode ?? account.mode
    account.identities = patch.identities ?? account.identities
    account.quotaBytes = patch.quotaBytes ?? account.quotaBytes
    if let incoming = patch.incoming {
      account.incoming = incoming
      try requireSecret(
        incoming,
        after: old.incoming,
        given: patch.incomingSecret,
        "/incoming"
      )
      try checkHost(incoming, "/incoming")
      try checkCleartext(incoming, "/incoming")
    }
    if let change = patch.outgoing {
      account.outgoing = change
      if let outgoing = change {
        if let before = old.outgoing {
          try requireSecret(outgoing, after: before, given: patch.outgoingSecret, "/outgoing")
          try checkHost(outgoing, "/outgoing")
          try checkCleartext(outgoing, "/outgoing")
        } else {
          try check(outgoing, secret: patch.outgoingSecret, "/outgoing")
        }
      }
    }
  }

  /// Ends the account's connections and forgets all that is its own; its mail stays on its server.
  package func deleteAccount(_ id: ID<Account>) async throws(ServiceError) {
    await stopWorker(id)
    guard try await store.deleteAccount(id) else { throw .notFound("account") }
    services.bodies.forget(id)
  }

  /// Makes the account's worker compare every mailbox now.
  package func syncNow(_ id: ID<Account>) async throws(ServiceError) {
    guard try await store.account(id) != nil else { throw .notFound("account") }
    wake(id, .everything)
  }

  // MARK: - Checks

  func check(
    _ settings: BackendSettings,
    secret: Secret?,
    _ pointer: String
  ) throws(ServiceError) {
    if settings.authType.hasSecret {
      var fields: [FieldError] = []
      if settings.username?.isEmpty != false {
        fields.append(
          FieldError(
            pointer: "\(pointer)/auth/username",
            code: "required",
            detail: "A user name."
          )
        )
      }
      if secret == nil {
        fields.append(
          FieldError(
            pointer: "\(pointer)/auth/\(settings.authType.secretName)",
            code: "required",
            detail: settings.authType == .oauth2 ? "An access token." : "A password."
          )
        )
      }
      guard fields.isEmpty else {
        throw ServiceError(
          .invalidRequest,
          "The back end's credentials are missing.",
          fields: fields
        )
      }
    }
    try checkHost(settings, pointer)
    try checkCleartext(settings, pointer)
  }

  /// Says at once that a host may not be reached, where no resolver is needed to know it.
  func checkHost(
    _ settings: BackendSettings,
    _ pointer: String
  ) throws(ServiceError) {
    guard settings.kind != .local else { return }
    do throws(NetError) {
      try services.backends.connector.check(host: settings.host, port: settings.port)
    } catch {
      var refusal = ServiceError(
        error,
        backend: BackendFailure(protocolName: settings.kind.rawValue, host: settings.host)
      )
      refusal.fields = [
        FieldError(
          pointer: "\(pointer)/host",
          code: "conflict",
          detail: "A host whose address the service may reach."
        )
      ]
      throw refusal
    }
  }

  /// A password must not cross a network in the clear unless the caller says so.
  func checkCleartext(
    _ settings: BackendSettings,
    _ pointer: String
  ) throws(ServiceError) {
    guard settings.security == .none, settings.authType.hasSecret, !settings.allowCleartext,
      !settings.isLoopback
    else { return }
    throw ServiceError(
      .cleartextRefused,
      "Without TLS the password would cross the network in the clear.",
      fields: [
        FieldError(
          pointer: "\(pointer)/tls",
          code: "conflict",
          detail: "implicit or starttls; or allowCleartext: true."
        )
      ]
    )
  }

  /// Settings that send the secret elsewhere need it again: a stolen token must not redirect a password.
  private func requireSecret(
    _ settings: BackendSettings,
    after old: BackendSettings,
    given: Secret?,
    _ pointer: String
  ) throws(ServiceError) {
    guard settings.needsSecretAgain(after: old), settings.authType.hasSecret, given == nil
    else { return }
    throw ServiceError(
      .secretRequired,
      "Changing where the secret goes needs the secret in the same request.",
      fields: [
        FieldError(
          pointer: "\(pointer)/auth/\(settings.authType.secretName)",
          code: "required",
          detail: "The secret for the changed host, port, tls, certificate or auth."
        )
      ]
    )
  }
}

extension BackendSettings {
  /// Whether the host is this machine.
  fileprivate var isLoopback: Bool {
    if host == "localhost" { return true }
    guard let address = SocketAddress(ip: host, port: port),
      let loopback = CIDR("127.0.0.0/8"), let loopback6 = CIDR("::1/128")
    else { return false }
    return loopback.contains(address) || loopback6.contains(address)
  }
}
