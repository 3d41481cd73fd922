import COpenSSL
import Synchronization

/// How many TLS sessions are remembered, and for how long.
package struct TLSResumptionLimits: Sendable {
  /// With how many servers: the one that was verified first makes room for another.
  package var servers = 1000
  /// How long after a certificate was verified sessions may be resumed in its stead.
  ///
  /// A server gives a new ticket with each session that it resumes. Without this a certificate that has
  /// expired since, or is trusted no more, would never be looked at again; RFC 8446 §4.6.1 allows seven days.
  package var age: Duration = .seconds(12 * 3600)

  /// The defaults that stand at each member.
  package init() {}
}

/// The last TLS session with each server, so that the next connection need not show its certificate again.
///
/// It was verified when the first of them began, for the same server name and under the same trust; a server
/// that does not know the session any more shakes hands in full (RFC 8446 §2.2). What a certificate takes in
/// memory is shared by the connections that resume one session, some 10 KB for each.
@safe final class TLSResumption: Sendable {
  /// A session of OpenSSL, which counts its references with atomics.
  @safe private final class Session: @unchecked Sendable {  // Never changed once it is here.
    let pointer: OpaquePointer
    /// When the certificate was verified that this session, or the first of those it resumes, began with.
    let verifiedAt: Deadline

    init(_ pointer: OpaquePointer, verifiedAt: Deadline) {
      unsafe self.pointer = pointer
      self.verifiedAt = verifiedAt
    }

    deinit { unsafe SSL_SESSION_free(pointer) }
  }

  private let sessions = Mutex<[String: Session]>([:])
  private let limits: TLSResumptionLimits

  init(_ limits: TLSResumptionLimits = TLSResumptionLimits()) { self.limits = limits }

  /// Lets `ssl`, which has not shaken hands yet, offer the last session with `server`.
  ///
  /// - Returns: When its certificate was verified; nil where there is none to offer.
  func offer(_ ssl: OpaquePointer, to server: String, now: Deadline) -> Deadline? {
    let session = sessions.withLock { sessions -> Session? in
      guard let session = sessions[server] else { return nil }
      guard now - session.verifiedAt < limits.age else {
        sessions[server] = nil
        return nil
      }
      return session
    }
    // Where it cannot be offered the handshake is a full one.
    guard let session, unsafe SSL_set_session(ssl, session.pointer) == 1 else { return nil }
    return session.verifiedAt
  }

  /// Remembers the session of `ssl` with `server`, whose certificate was verified at `instant`, if it can be
  /// resumed; whether it can.
  func keep(_ ssl: OpaquePointer, of server: String, verifiedAt instant: Deadline) -> Bool {
    guard let pointer = unsafe SSL_get1_session(ssl) else { return false }
    let session = unsafe Session(pointer, verifiedAt: instant)
    guard unsafe SSL_SESSION_is_resumable(session.pointer) == 1 else { return false }
    sessions.withLock { sessions in
      if sessions.count >= limits.servers, sessions[server] == nil,
        let oldest = sessions.min(by: { $0.value.verifiedAt < $1.value.verifiedAt })?.key
      {
        sessions[oldest] = nil
      }
      sessions[server] = session
    }
    return true
  }
}
