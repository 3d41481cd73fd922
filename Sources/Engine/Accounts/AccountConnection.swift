package import Bytes
import MailProtocols
import Synchronization

/// What is known of an account from the connections that are open now; no row tells it.
package struct AccountConnection: Sendable, Equatable {
  /// How changes on the server are noticed.
  package struct Watching: Sendable, Equatable {
    /// The means, by what the server can do.
    package enum Means: String, Sendable, CaseIterable {
      /// A connection waits in IDLE on the inbox (RFC 2177); the rest is polled.
      case idle
      /// A connection is told of all mailboxes (RFC 5465).
      case notify
      /// Nothing is watched: the mailboxes are looked at now and then.
      case poll
    }

    package var means: Means
    package var since: Timestamp
    /// When the server last said anything on the connection that watches.
    package var lastHeardAt: Timestamp
  }

  /// One thing that the server limits (RFC 9208).
  package struct Quota: Sendable, Equatable {
    /// The name of the quota's root, which may be empty.
    package var name: String
    /// `storage`, in bytes, `message` or another, in lower case.
    package var resource: String
    package var used: Int64
    package var limit: Int64
  }

  /// How much of the account's mail is kept here, in messages.
  package struct Copy: Sendable, Equatable {
    package var kept: Int64
    package var total: Int64
  }

  /// Nil while the account is not connected.
  package var watching: Watching?
  /// As it was last read; it stays known while the account is not connected.
  package var quotas: [Quota] = []
  /// Nil where bodies are fetched when they are asked for.
  package var copy: Copy?

  /// No connection.
  package init() {}
}

/// The one place where an account's tasks note what its connections tell.
final class ConnectionRecord: Sendable {
  private let connection = Mutex(AccountConnection())

  /// What is known now.
  var current: AccountConnection { connection.withLock { $0 } }

  /// Changes are noticed by `means` from now on.
  func begin(_ means: AccountConnection.Watching.Means, at now: Timestamp) {
    connection.withLock {
      $0.watching = AccountConnection.Watching(means: means, since: now, lastHeardAt: now)
    }
  }

  /// The server said something to whoever watches by `means`.
  func heard(by means: AccountConnection.Watching.Means, at now: Timestamp) {
    connection.withLock { connection in
      guard connection.watching?.means == means else { return }
      connection.watching?.lastHeardAt = now
    }
  }

  /// The server's quotas are these now.
  func note(_ quotas: [AccountConnection.Quota]) { connection.withLock { $0.quotas = quotas } }

  /// So much is kept here now.
  func note(_ copy: AccountConnection.Copy) { connection.withLock { $0.copy = copy } }

  /// The account is not connected any more.
  func end() { connection.withLock { $0.watching = nil } }
}

extension AccountConnection.Quota {
  /// The resources of a quota as they are shown.
  static func list(_ quotas: [MailProtocols.Quota]) -> [AccountConnection.Quota] {
    quotas.flatMap { quota in
      quota.resources.map { resource in
        let storage = resource.name == "STORAGE" ? quota.storage : nil
        return AccountConnection.Quota(
          name: quota.root,
          resource: resource.name.lowercased(),
          used: Int64(clamping: storage?.usage ?? resource.usage),
          limit: Int64(clamping: storage?.limit ?? resource.limit)
        )
      }
    }
  }
}
