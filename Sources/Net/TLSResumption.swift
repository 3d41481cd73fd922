import COpenSSL
import Synchronization

/// The last TLS session with each server, so that the next connection need not show its certificate again.
///
/// It was verified when the session began, for the same server name and under the same trust; a server that
/// does not know the session any more shakes hands in full (RFC 8446 §2.2). What a certificate takes in
/// memory is shared by the connections that resume one session, some 10 KB for each.
@safe final class TLSResumption: Sendable {
  /// A session of OpenSSL, which counts its references with atomics.
  @safe private final class Session: @unchecked Sendable {  // Never changed once it is here.
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { unsafe self.pointer = pointer }

    deinit { unsafe SSL_SESSION_free(pointer) }
  }

  private let sessions = Mutex<[String: Session]>([:])
  /// How many servers are remembered; any of them makes room for another.
  private static let limit = 1000

  /// Lets `ssl`, which has not shaken hands yet, offer the last session with `server`.
  func offer(_ ssl: OpaquePointer, to server: String) {
    guard let session = sessions.withLock({ $0[server] }) else { return }
    // Where it cannot be offered the handshake is a full one.
    _ = unsafe SSL_set_session(ssl, session.pointer)
  }

  /// Remembers the session of `ssl` with `server`, if it can be resumed; whether it can.
  func keep(_ ssl: OpaquePointer, of server: String) -> Bool {
    guard let pointer = unsafe SSL_get1_session(ssl) else { return false }
    let session = unsafe Session(pointer)
    guard unsafe SSL_SESSION_is_resumable(session.pointer) == 1 else { return false }
    sessions.withLock { sessions in
      if sessions.count >= Self.limit, sessions[server] == nil, let any = sessions.keys.first {
        sessions[any] = nil
      }
      sessions[server] = session
    }
    return true
  }
}
