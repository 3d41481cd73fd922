import Bytes
import Engine
import Model

/// The shape of an account; no secret is part of it.
enum AccountJSON {
  static let members = [
    "id", "name", "email", "mode", "incoming", "outgoing", "sieve", "identities", "state", "health",
    "lastError", "lastSyncAt", "firstSyncedAt", "sync", "quota", "quotaBytes",
    "capabilities", "createdAt",
  ]

  /// The tag changes with the settings and with what the service found out about the account.
  static func tag(_ account: Account, _ connection: AccountConnection) -> ETag {
    let sync = account.lastSyncAt?.microseconds ?? 0
    let failure = account.lastError?.at.microseconds ?? 0
    let state = account.state.rawValue
    let first = account.firstSyncedAt == nil ? 0 : 1
    let used = connection.quotas.map { "\($0.used).\($0.limit)" }.joined(separator: ".")
    let copy = connection.copy.map { "\($0.kept).\($0.total)" } ?? ""
    let settled = "\(account.version)-\(state)-\(sync)-\(failure)-\(first)-\(used)-\(copy)"
    guard let watching = connection.watching else { return ETag(settled) }
    let since = watching.since.microseconds
    let heard = minute(watching.lastHeardAt).microseconds
    return ETag("\(settled)-\(watching.means.rawValue)-\(since)-\(heard)")
  }

  /// The minute in which `time` lies: what changes without news must not change the tag all the time.
  private static func minute(_ time: Timestamp) -> Timestamp {
    Timestamp(microseconds: time.microseconds - time.microseconds % 60_000_000)
  }

  static func write(
    _ account: Account,
    _ connection: AccountConnection,
    _ fields: FieldSelection,
    to json: inout JSONWriter
  ) {
    json.object { json in
      json.member("id", fields) { $0.id(account.id) }
      json.member("name", fields) { $0.string(account.name) }
      json.member("email", fields) { $0.string(account.email) }
      json.member("mode", fields) { $0.string(account.mode.rawValue) }
      json.member("incoming", fields) { write(account.incoming, to: &$0) }
      json.member("outgoing", fields) { json in
        if let outgoing = account.outgoing { write(outgoing, to: &json) } else { json.null() }
      }
      json.member("sieve", fields) { json in
        guard let sieve = account.sieve else { return json.null() }
        write(sieve.server, hasLogin: sieve.hasOwnLogin, to: &json)
      }
      json.member("identities", fields) { json in
        json.array { json in
          for identity in account.identities { write(identity, to: &json) }
        }
      }
      writeState(account, fields, to: &json)
      json.member("sync", fields) { write(connection, to: &$0) }
      json.member("quota", fields) { json in
        json.array { json in
          for quota in connection.quotas { write(quota, to: &json) }
        }
      }
      json.member("quotaBytes", fields) { $0.int(account.quotaBytes) }
      json.member("createdAt", fields) { $0.time(account.createdAt) }
    }
  }

  private static func writeState(
    _ account: Account,
    _ fields: FieldSelection,
    to json: inout JSONWriter
  ) {
    json.member("state", fields) { $0.string(account.state.rawValue) }
    json.member("health", fields) { $0.string(health(account).rawValue) }
    json.member("lastError", fields) { json in
      if let failure = account.lastError { write(failure, to: &json) } else { json.null() }
    }
    json.member("lastSyncAt", fields) { $0.time(account.lastSyncAt) }
    json.member("firstSyncedAt", fields) { $0.time(account.firstSyncedAt) }
    json.member("capabilities", fields) { json in
      json.object { json in
        let isPOP3 = account.incoming.kind == .pop3
        json.member("imap") { $0.strings(isPOP3 ? [] : account.capabilities) }
        json.member("pop3") { $0.strings(isPOP3 ? account.capabilities : []) }
        json.member("sieve") { $0.strings(account.sieveExtensions ?? []) }
      }
    }
  }

  /// How an account does, in one word.
  private enum Health: String {
    case good, degraded, bad
  }

  private static func health(_ account: Account) -> Health {
    switch account.state {
    case .connecting, .syncing, .ready: account.lastError == nil ? .good : .degraded
    case .unreachable: .degraded
    case .authenticationFailed: .bad
    }
  }

  private static func write(_ quota: AccountConnection.Quota, to json: inout JSONWriter) {
    json.object { json in
      json.member("name") { $0.string(quota.name) }
      json.member("resource") { $0.string(quota.resource) }
      json.member("used") { $0.int(quota.used) }
      json.member("limit") { $0.int(quota.limit) }
    }
  }

  private static func write(_ connection: AccountConnection, to json: inout JSONWriter) {
    json.object { json in
      json.member("watching") { json in
        guard let watching = connection.watching else { return json.null() }
        json.object { json in
          json.member("by") { $0.string(watching.means.rawValue) }
          json.member("since") { $0.time(watching.since) }
          // Cut to the minute it could lie before the watch began.
          json.member("lastHeardAt") { json in
            json.time(max(minute(watching.lastHeardAt), watching.since))
          }
        }
      }
      json.member("copy") { json in
        guard let copy = connection.copy else { return json.null() }
        json.object { json in
          json.member("kept") { $0.int(copy.kept) }
          json.member("total") { $0.int(copy.total) }
        }
      }
    }
  }

  private static func write(
    _ settings: BackendSettings,
    hasLogin: Bool = true,
    to json: inout JSONWriter
  ) {
    json.object { json in
      json.member("protocol") { $0.string(settings.kind.rawValue) }
      guard settings.kind != .local else { return }
      json.member("host") { $0.string(settings.host) }
      json.member("port") { $0.int(settings.port) }
      json.member("tls") { $0.string(settings.security.rawValue) }
      json.member("allowCleartext") { $0.bool(settings.allowCleartext) }
      json.member("certificateSHA256") { $0.string(settings.certificateSHA256) }
      if settings.kind == .imap || settings.kind == .pop3 { writeRetention(settings, to: &json) }
      json.member("auth") { json in
        guard hasLogin else { return json.null() }
        json.object { json in
          json.member("type") { $0.string(settings.authType.rawValue) }
          if let username = settings.username {
            json.member("username") { $0.string(username) }
          }
        }
      }
    }
  }

  /// As it was set; null is what the mode says.
  private static func writeRetention(_ settings: BackendSettings, to json: inout JSONWriter) {
    json.member("leaveOnServer") { json in
      switch settings.leaveOnServer {
      case nil: json.null()
      case .forever: json.bool(true)
      case .notAtAll: json.bool(false)
      case .days(let days): json.object { json in json.member("days") { $0.int(days) } }
      }
    }
    json.member("deleteWhenRemoved") { $0.bool(settings.deleteWhenRemoved) }
  }

  private static func write(_ identity: Identity, to json: inout JSONWriter) {
    json.object { json in
      json.member("id") { $0.string(identity.id) }
      json.member("name") { $0.string(identity.name) }
      json.member("email") { $0.string(identity.email) }
      json.member("replyTo") { $0.string(identity.replyTo) }
      json.member("isDefault") { $0.bool(identity.isDefault) }
    }
  }

  static func write(_ failure: AccountFailure, to json: inout JSONWriter) {
    json.object { json in
      json.member("code") { $0.string(failure.code.rawValue) }
      json.member("detail") { $0.string(failure.message) }
      json.member("response") { $0.string(failure.response) }
      json.member("at") { $0.time(failure.at) }
    }
  }
}
