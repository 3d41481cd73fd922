package import Bytes
package import Model
package import Rules
import Sieve
package import Store

/// The rules of an account, and what is needed to judge and run them.
package struct AccountRules: Sendable {
  package var account: Account
  package var records: [RuleRecord]
  /// The rules, in the order of `records`.
  package var rules: [Rule]
  package var mailboxes: [Mailbox]
  package var lists: [ID<AddressListing>: [String]]
  /// Where the feed stood before they were read.
  package var state: FeedState

  /// Extensions whose actions the service does not carry out: it has taken a message when its rules run.
  private static let withoutHands = ["reject", "ereject"]

  /// What scripts can do at the account's server, as it advertises.
  package var target: ScriptTarget {
    ScriptTarget(
      capabilities: account.incoming.kind.hasLocalMailboxes
        ? Set(Capabilities.names).subtracting(Self.withoutHands)
        : account.sieveExtensions.map { Set($0) },
      mailboxes: namedMailboxes,
      ownAddresses: account.ownAddresses,
      lists: lists,
      canSend: account.outgoing != nil,
      serverSends: account.sieve != nil,
      canEditHeaders: account.canReplaceMessages
    )
  }

  /// The mailboxes as rules name them.
  package var namedMailboxes: [ScriptTarget.Mailbox] {
    mailboxes.map {
      ScriptTarget.Mailbox(
        id: $0.id.description,
        path: $0.path,
        role: $0.role,
        delimiter: $0.delimiter
      )
    }
  }

  /// What a script may use that is to run wherever Sieve is: what Dovecot's Pigeonhole has switched on as it comes.
  package var portableTarget: ScriptTarget {
    var target = target
    target.capabilities = [
      "body", "copy", "date", "duplicate", "encoded-character", "enotify", "envelope",
      "environment", "extracttext", "fileinto", "foreverypart", "ihave", "imap4flags", "include",
      "index", "mailbox", "mime", "regex", "reject", "relational", "subaddress", "vacation",
      "variables", "comparator-i;ascii-numeric",
    ]
    return target
  }

  /// What conditions refer to, at an instant.
  package func context(at now: Timestamp) -> RuleContext {
    RuleContext(ownAddresses: account.ownAddresses, lists: lists, now: now)
  }
}

extension Account {
  /// Whether a message can be another and stay the same: not where a server keeps to itself where it puts what it is given.
  ///
  /// What a server can do is not known before it was asked.
  var canReplaceMessages: Bool {
    incoming.kind.hasLocalMailboxes || capabilities.isEmpty || capabilities.contains("UIDPLUS")
  }

  /// The addresses that are the account's own, its first, each once.
  package var ownAddresses: [String] {
    var addresses: [String] = []
    for address in [email] + identities.map(\.email)
    where !addresses.contains(where: { $0.lowercased() == address.lowercased() }) {
      addresses.append(address)
    }
    return addresses
  }
}

extension Engine {
  /// The rules of an account with all that they refer to.
  package func accountRules(
    _ id: ID<Account>
  ) async throws(ServiceError) -> AccountRules {
    try await services.accountRules(id)
  }
}

extension EngineServices {
  /// The rules of an account with all that they refer to.
  func accountRules(_ id: ID<Account>) async throws(ServiceError) -> AccountRules {
    guard let account = try await store.account(id) else { throw .notFound("account") }
    let (records, state) = try await store.rules(of: id)
    let lists = try await store.addressLists(of: id)
    return AccountRules(
      account: account,
      records: records,
      rules: try records.map { record throws(ServiceError) in try Rule(record) },
      mailboxes: try await store.mailboxes(of: id).mailboxes,
      lists: Dictionary(uniqueKeysWithValues: lists.map { ($0.id, $0.entries) }),
      state: state
    )
  }
}

extension Rule {
  /// The rule that a record holds.
  package init(_ record: RuleRecord) throws(ServiceError) {
    var reader = RuleReader(isStored: true)
    guard var rule = reader.rule(record.definition) else {
      throw ServiceError(
        .internalError,
        "An internal error occurred.",
        cause: "rule \(record.id): \(reader.faults.first?.pointer ?? "")"
      )
    }
    rule.id = record.id
    self = rule
  }

  /// The rule as it is stored.
  package var record: NewRule {
    NewRule(
      name: name,
      isEnabled: isEnabled,
      trigger: trigger.rawValue,
      hours: hours,
      definition: json
    )
  }
}
