import Foundation
import Synchronization

/// A POP3 server over mail in memory, for what Dovecot does not do: RPOP, KPOP, and being odd.
///
/// It keeps to RFC 1939 but for its quirks: the mailbox is locked by a session, DELE becomes true at
/// QUIT, and a session that ends without QUIT deletes nothing. Each connection has a thread of its own.
package final class SmallPOP3Server: Sendable {
  /// A message, and the unique id it keeps.
  package struct Message: Hashable, Sendable {
    package var bytes: [UInt8]
    package var uniqueID: String
  }

  /// How users are let in.
  package enum Login: Sendable {
    /// By USER and PASS.
    case password
    /// By USER and RPOP, from a reserved port, as one of these users of the client's machine.
    case rpop(trusted: Set<String>)
    /// By a ticket of the realm, before the greeting; the password is not looked at.
    case kpop(KerberosRealm)
  }

  /// What a server may do badly.
  package enum Quirk: Hashable, Sendable {
    case noCapabilities
    case noUniqueIDs
    case noTop
    /// Every message has the same unique id.
    case repeatedUniqueIDs
    /// Each session has other unique ids.
    case changingUniqueIDs
    /// LIST counts a third of what there is.
    case wrongOctetCounts
    /// After one RETR a session has no more.
    case oneMessageASession
    /// `-ERR` and `+OK` say nothing else.
    case bareReplies
    /// UIDL and LIST have no dot at their end.
    case noListingDots
    /// RETR has no dot at its end, and the connection ends there.
    case noTextDots
    /// Commands sent ahead of answers are offered.
    case pipelining
    /// The connection ends in the middle of a session's second message.
    case cutSecondMessage
    /// QUIT deletes what was retrieved, as `EXPIRE 0` says (RFC 2449 §6.7).
    case expiresAtOnce
    /// QUIT is not answered, though it deletes what was marked.
    case lostQuit
    /// QUIT is not answered, and deletes nothing.
    case brokenQuit
    /// A message's header has the field Status, which changes with each RETR.
    case statusFields
  }

  /// The name of the one user.
  package let user: String
  package let password: String
  package let port: UInt16
  let login: Login
  let quirks: Set<Quirk>
  /// The least time between two logins, which CAPA tells and which is kept.
  let loginDelay: Duration?
  private let listener: ThreadedListener
  private let state = Mutex(State())

  private struct State {
    var messages: [Message] = []
    var isLocked = false
    var refusal: String?
    var refusals: [String: String] = [:]
    var lastLogin: ContinuousClock.Instant?
    var retrievals = 0
    var sessions = 0
    var ended = 0
    var commands: [String] = []
  }

  /// A server that listens on a port of loopback.
  package init(
    user: String = "alice",
    password: String = "secret",
    login: Login = .password,
    quirks: Set<Quirk> = [],
    loginDelay: Duration? = nil,
    messages: [[UInt8]] = []
  ) throws {
    self.loginDelay = loginDelay
    self.user = user
    self.password = password
    self.login = login
    self.quirks = quirks
    listener = try ThreadedListener()
    port = listener.port
    for message in messages { add(message) }
    listener.start { [weak self] descriptor, _ in
      guard let self else { return }
      var session = SmallPOP3Session(server: self, descriptor: descriptor)
      session.run()
    }
  }

  deinit { listener.stop() }

  /// The mail that is there now.
  package var messages: [Message] { state.withLock { $0.messages } }
  /// How many sessions were let in.
  package var sessionCount: Int { state.withLock { $0.sessions } }
  /// How many sessions that were let in are over.
  package var ended: Int { state.withLock { $0.ended } }
  /// Every command of every session, secrets included, in the order of their coming.
  package var commands: [String] { state.withLock { $0.commands } }

  /// Adds a message behind all others.
  package func add(_ bytes: [UInt8], uniqueID: String? = nil) {
    let id = uniqueID ?? "id\(UInt64.random(in: .min ... .max))"
    state.withLock { $0.messages.append(Message(bytes: bytes, uniqueID: id)) }
  }

  /// Removes all mail, or that of one unique id, as another client would.
  package func remove(uniqueID: String? = nil) {
    state.withLock { state in
      state.messages.removeAll { uniqueID == nil || $0.uniqueID == uniqueID }
    }
  }

  /// From now on answers PASS, RPOP by `-ERR` and this text; nil ends that.
  package func refuseLogins(_ text: String?) { state.withLock { $0.refusal = text } }

  /// From now on answers a command of the mailbox, or QUIT, by `-ERR` and this text; nil ends that.
  package func refuse(_ command: String, _ text: String?) {
    state.withLock { $0.refusals[command] = text }
  }

  /// By what a command is refused.
  func refusal(of command: String) -> String? { state.withLock { $0.refusals[command] } }

  /// Stops listening and cuts every session.
  package func stop() { listener.stop() }
}

// MARK: - What its sessions need

extension SmallPOP3Server {
  /// Locks the mailbox and returns what is in it; else the text of a refusal.
  func open() -> Result<[Message], Refusal> {
    state.withLock { state in
      if let refusal = state.refusal { return .failure(Refusal(text: refusal)) }
      if let loginDelay, let last = state.lastLogin, .now - last < loginDelay {
        return .failure(Refusal(text: "[LOGIN-DELAY] too soon"))
      }
      guard !state.isLocked else {
        return .failure(Refusal(text: "[IN-USE] maildrop already locked"))
      }
      state.isLocked = true
      state.lastLogin = .now
      state.sessions += 1
      return .success(state.messages)
    }
  }

  struct Refusal: Error { let text: String }

  /// Unlocks the mailbox and deletes what was marked.
  func close(deleting: Set<String>) {
    state.withLock { state in
      state.isLocked = false
      state.ended += 1
      state.messages.removeAll { deleting.contains($0.uniqueID) }
    }
  }

  /// How many messages were retrieved before this one.
  func countRetrieval() -> Int {
    state.withLock { state in
      defer { state.retrievals += 1 }
      return state.retrievals
    }
  }

  func note(_ command: String) { state.withLock { $0.commands.append(command) } }
}
