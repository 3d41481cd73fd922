package import Bytes

/// One set of remote mail credentials and settings that the service fronts.
package struct Account: Identified, Sendable {
  package static let idPrefix: StaticString = "acc_"

  package var id: ID<Account>
  package var name: String
  package var email: String
  package var mode: AccountMode
  package var incoming: BackendSettings
  package var outgoing: BackendSettings?
  package var identities: [Identity]
  package var state: AccountState
  package var lastError: AccountFailure?
  package var lastSyncAt: Timestamp?
  /// When the first sync of every mailbox ended.
  package var firstSyncedAt: Timestamp?
  /// What the IMAP server says it can do.
  package var capabilities: [String]
  package var createdAt: Timestamp
  /// Grows with every change of the settings; the `ETag`.
  package var version: Int64
  /// How many bytes of raw messages it has here.
  package var keptBytes: Int64 = 0
  /// How many it may have in its local mailboxes; nil is the service's limit.
  package var quotaBytes: Int64?
  /// Where its scripts can be put; nil where they cannot.
  package var sieve: SieveSettings?
  /// What scripts may require there; nil before the server was asked.
  package var sieveExtensions: [String]?

  package init(
    id: ID<Account>,
    name: String,
    email: String,
    mode: AccountMode,
    incoming: BackendSettings,
    outgoing: BackendSettings?,
    identities: [Identity],
    state: AccountState,
    lastError: AccountFailure?,
    lastSyncAt: Timestamp?,
    firstSyncedAt: Timestamp?,
    capabilities: [String],
    createdAt: Timestamp,
    version: Int64
  ) {
    self.id = id
    self.name = name
    self.email = email
    self.mode = mode
    self.incoming = incoming
    self.outgoing = outgoing
    self.identities = identities
    self.state = state
    self.lastError = lastError
    self.lastSyncAt = lastSyncAt
    self.firstSyncedAt = firstSyncedAt
    self.capabilities = capabilities
    self.createdAt = createdAt
    self.version = version
  }
}

/// Where an account's mail is kept (the user's words).
package enum AccountMode: String, Sendable, CaseIterable {
  /// Metadata here, bodies fetched when asked for.
  case online
  /// A full copy here.
  case disconnected
  /// Downloaded, then deleted from the server.
  case offline
}

/// How an account's connection to its server stands.
package enum AccountState: String, Sendable, CaseIterable {
  /// Not yet connected since it was made, changed or started.
  case connecting
  /// The first sync runs.
  case syncing
  /// Connected and current.
  case ready
  /// The server refused the credentials; tried again with a growing delay.
  case authenticationFailed
  /// The server cannot be reached or breaks the protocol; tried again with a growing delay.
  case unreachable
}

/// Why an account's last attempt failed.
package struct AccountFailure: Sendable, Equatable {
  package var code: ErrorCode
  package var message: String
  /// The server's words, where it said some.
  package var response: String?
  package var at: Timestamp

  package init(code: ErrorCode, message: String, response: String?, at: Timestamp) {
    self.code = code
    self.message = message
    self.response = response
    self.at = at
  }
}

/// Where and how to reach a back end; the secret stands apart.
package struct BackendSettings: Sendable, Equatable {
  /// The protocol of a back end.
  package enum Kind: String, Sendable, CaseIterable {
    case imap, smtp
    /// Takes Sieve scripts (RFC 5804).
    case managesieve
    /// Fills an inbox that is kept here from a server's.
    case pop3
    /// No back end: the mailboxes are kept here.
    case local

    /// Whether the mailboxes of an account that receives by it are kept here.
    package var hasLocalMailboxes: Bool { self == .local || self == .pop3 }
  }

  /// How a connection is protected.
  package enum Security: String, Sendable, CaseIterable {
    case implicit, starttls, none
  }

  /// How one logs in.
  package enum AuthType: String, Sendable, CaseIterable {
    case password
    /// By an OAuth access token (RFC 6750), which the caller keeps fresh.
    case oauth2
    /// By the Kerberos tickets that the service itself has (RFC 4752).
    case gssapi
    /// By POP3's RPOP (RFC 1225): the server trusts this machine to say who its users are.
    case rpop
    /// By KPOP, Kerberos before POP3, with the tickets that the service itself has.
    case kpop
    case none

    /// Whether one signs in by a secret that the account has.
    package var hasSecret: Bool { self == .password || self == .oauth2 }
    /// What a server refuses that refuses a login.
    package var credentials: String {
      switch self {
      case .password, .none: "the user name or password"
      case .oauth2: "the access token"
      case .gssapi, .kpop: "the Kerberos ticket"
      case .rpop: "the user name"
      }
    }
    /// The member of `auth` that the secret comes by.
    package var secretName: String { self == .oauth2 ? "accessToken" : "password" }
  }

  package var kind: Kind
  package var host: String
  package var port: UInt16
  package var security: Security
  package var authType: AuthType
  package var username: String?
  /// Whether a password may cross a network in the clear.
  package var allowCleartext: Bool
  /// The SHA-256, in hex, of the one certificate that is accepted though it does not verify.
  package var certificateSHA256: String?
  /// How long what was downloaded stays on its server, as the user says; see `retention(in:)`.
  package var leaveOnServer: ServerRetention.Time?
  /// Whether what is deleted here, or moved to the trash, is deleted on its server, as the user says.
  package var deleteWhenRemoved = false

  package init(
    kind: Kind,
    host: String,
    port: UInt16,
    security: Security,
    authType: AuthType,
    username: String?,
    allowCleartext: Bool = false,
    certificateSHA256: String? = nil
  ) {
    self.kind = kind
    self.host = host
    self.port = port
    self.security = security
    self.authType = authType
    self.username = username
    self.allowCleartext = allowCleartext
    self.certificateSHA256 = certificateSHA256
  }

  /// What becomes of mail on its server in `mode`: it is deleted in none but `offline`, and there at once if nothing else is said.
  package func retention(in mode: AccountMode) -> ServerRetention {
    guard mode == .offline else { return ServerRetention(time: .forever, endsWhenRemoved: false) }
    return ServerRetention(
      time: leaveOnServer ?? (deleteWhenRemoved ? .forever : .notAtAll),
      endsWhenRemoved: deleteWhenRemoved
    )
  }

  /// The settings of an account without a back end.
  package static let local = BackendSettings(
    kind: .local,
    host: "",
    port: 0,
    security: .none,
    authType: .none,
    username: nil
  )

  /// Whether a change from `other` to this sends the secret to another place, or for the first time to any, or opens another's mail.
  package func needsSecretAgain(after other: BackendSettings) -> Bool {
    authType != other.authType || username != other.username || kind != other.kind
      || host != other.host || port != other.port
      || security != other.security
      || certificateSHA256 != other.certificateSHA256
      || (allowCleartext && !other.allowCleartext)
  }
}

/// How long mail stays on a server after it was downloaded.
package struct ServerRetention: Sendable, Equatable {
  /// A time that may be none, or without end.
  package enum Time: Sendable, Equatable {
    case notAtAll
    case days(Int)
    case forever
  }

  package var time: Time
  /// Whether it ends when the message is deleted here.
  package var endsWhenRemoved: Bool

  package init(time: Time, endsWhenRemoved: Bool) {
    self.time = time
    self.endsWhenRemoved = endsWhenRemoved
  }

  /// Whether anything is ever deleted.
  package var deletes: Bool { time != .forever || endsWhenRemoved }
}

/// A password or an access token, which nothing prints.
package struct Secret: Sendable, CustomStringConvertible, CustomReflectable {
  package var value: String

  package init(_ value: String) { self.value = value }

  package var description: String { "<secret>" }

  package var customMirror: Mirror { Mirror(self, children: []) }
}

/// A name and address that an account sends as.
package struct Identity: Sendable, Equatable {
  /// `idn_` and a number within the account.
  package var id: String
  package var name: String?
  package var email: String
  package var replyTo: String?
  package var isDefault: Bool

  package init(id: String, name: String?, email: String, replyTo: String?, isDefault: Bool) {
    self.id = id
    self.name = name
    self.email = email
    self.replyTo = replyTo
    self.isDefault = isDefault
  }
}
