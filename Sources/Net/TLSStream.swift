import COpenSSL
import Synchronization

/// A stream that TLS protects, over a socket's.
///
/// The socket may have been in use before (STARTTLS): whoever read from it must have dropped what came
/// after the reply that allowed TLS, else a man in the middle could slip commands in (CVE-2011-0411).
package final class TLSStream: ByteStream {
  private let socket: SocketStream
  private let session: TLSSession

  /// The loop that owns the stream.
  package var loop: EventLoop { socket.loop }
  /// True.
  package var isSecure: Bool { true }
  /// The protocol agreed on, such as "TLSv1.3".
  package var protocolVersion: String { session.version }
  /// Whether the server took up an earlier session, and showed no certificate.
  package var isResumed: Bool { session.isResumed }
  /// The address of the peer.
  package var remoteAddress: SocketAddress? { socket.remoteAddress }
  /// The SHA-256 of the peer's certificate, in DER; nil where it showed none.
  package var peerCertificateSHA256: [UInt8]? { session.certificateSHA256() }

  /// As much as one write copies to put head and body into the same records.
  private static let joinLimit = 65_536

  private init(socket: SocketStream, session: TLSSession, keeping: Keeping? = nil) {
    self.socket = socket
    self.session = session
    keeps = Mutex(keeping)
  }

  /// Where the session is remembered, until it is; the server's tickets come with its first words.
  private struct Keeping {
    var resumption: TLSResumption
    var server: String
    /// When the server's certificate was verified, in this session or in the one that it resumes.
    var verifiedAt: Deadline
    var reads = 0
  }

  private let keeps: Mutex<Keeping?>
  /// After so many reads a server sends no tickets any more.
  private static let readsBeforeTickets = 4

  private func keepSession() {
    keeps.withLock { keeps in
      guard let keeping = keeps else { return }
      keeps?.reads += 1
      let isOver = keeping.reads >= Self.readsBeforeTickets
      let isKept = session.keep(
        for: keeping.resumption,
        keeping.server,
        verifiedAt: keeping.verifiedAt
      )
      if isKept || isOver { keeps = nil }
    }
  }

  /// Shakes hands as the client, and verifies that the server is `serverName`, a name or an IP literal.
  ///
  /// On failure the socket is closed, and `NetError.tls` says what is wrong with the certificate.
  package static func client(
    over socket: SocketStream,
    serverName: String,
    context: TLSClientContext,
    deadline: Deadline
  ) async throws(NetError) -> TLSStream {
    do throws(NetError) {
      let session = try unsafe TLSSession(context.pointer, over: socket.channel)
      try session.expect(serverName)
      let server = "\(serverName):\(socket.remoteAddress?.port ?? 0)"
      let earlier = session.resume(context.resumption, server, now: .now)
      unsafe try await shakeHands(session, deadline) { unsafe SSL_connect($0) }
      if let pin = context.pinnedSHA256 { try session.requirePinned(pin) }
      let keeping = Keeping(
        resumption: context.resumption,
        server: server,
        verifiedAt: session.isResumed ? earlier ?? .now : .now
      )
      return TLSStream(socket: socket, session: session, keeping: keeping)
    } catch {
      socket.close()
      throw error
    }
  }

  /// Shakes hands as the server; on failure the socket is closed.
  package static func server(
    over socket: SocketStream,
    context: TLSServerContext,
    deadline: Deadline
  ) async throws(NetError) -> TLSStream {
    do throws(NetError) {
      let session = try unsafe TLSSession(context.pointer, over: socket.channel)
      unsafe try await shakeHands(session, deadline) { unsafe SSL_accept($0) }
      return TLSStream(socket: socket, session: session)
    } catch {
      socket.close()
      throw error
    }
  }

  private static func shakeHands(
    _ session: TLSSession,
    _ deadline: Deadline,
    _ call: (OpaquePointer) -> Int32
  ) async throws(NetError) {
    guard case .done = unsafe try await session.complete(by: deadline, call) else {
      throw NetError.closed
    }
  }

  /// Records of at least so many bytes are read one after another: a shorter one is mostly the last of what was sent.
  private static let bulkRecord = 2048

  /// The next bytes; empty at the end that the peer announced.
  ///
  /// Those of several records where they are there: who reads much is not woken for each.
  ///
  /// An end without announcement is `NetError.closed`, since an attacker could have made it.
  package func read(upTo limit: Int, deadline: Deadline) async throws(NetError) -> [UInt8] {
    let scratch = unsafe loop.scratch
    let room = min(max(limit, 1), EventLoop.scratchSize)
    let channel = socket.channel
    while true {
      // The scratch is shared: it is copied from before anything is awaited.
      let (step, count) = unsafe try fill(
        UnsafeMutableRawBufferPointer(rebasing: scratch[0..<room])
      )
      switch step {
      case .done:
        let bytes = unsafe [UInt8](scratch[0..<count])
        keepSession()
        if channel.needsYield() { await Task.yield() }
        return bytes
      case .ended: return []
      case .wantsRead: try await channel.wait(for: .read, until: deadline)
      case .wantsWrite: try await channel.wait(for: .write, until: deadline)
      }
    }
  }

  /// Calls `body` once, on the loop, as soon as there may be something to read.
  ///
  /// What came may be no more than a part of a record, or a ticket: then the next read waits.
  package func whenReadable(by deadline: Deadline, _ body: @escaping (NetError?) -> Void) {
    // A record that was read in part is in OpenSSL's hands, and the socket does not tell of it.
    guard !session.hasUnreadBytes else { return body(nil) }
    socket.whenReadable(by: deadline, body)
  }

  /// Reads the records that are there, as far as they fit; `done` where there was any.
  private func fill(
    _ memory: UnsafeMutableRawBufferPointer
  ) throws(NetError) -> (TLSSession.Step, count: Int) {
    var filled = 0
    while true {
      var count = 0
      let step: TLSSession.Step
      do throws(NetError) {
        step = unsafe try session.attempt { ssl in
          let rest = unsafe memory.baseAddress.map { unsafe $0 + filled }
          return unsafe SSL_read_ex(ssl, rest, memory.count - filled, &count)
        }
      } catch {
        // What came before the fault is handed out; the next read meets it again.
        if filled > 0 { return (.done, filled) }
        throw error
      }
      guard case .done = step else { return filled > 0 ? (.done, filled) : (step, 0) }
      filled += count
      if count < Self.bulkRecord || filled == memory.count { return (.done, filled) }
    }
  }

  /// Writes all of `head`, then all of `body`, in the same records where both are small.
  ///
  /// At the deadline the stream is closed, since the peer may have got a part.
  package func write(
    _ head: [UInt8],
    _ body: [UInt8],
    deadline: Deadline
  ) async throws(NetError) {
    if !head.isEmpty, !body.isEmpty, head.count + body.count <= TLSStream.joinLimit {
      try await send(head + body, deadline)
    } else {
      try await send(head, deadline)
      try await send(body, deadline)
    }
  }

  private func send(_ bytes: [UInt8], _ deadline: Deadline) async throws(NetError) {
    let channel = socket.channel
    var sent = 0
    while sent < bytes.count {
      var count = 0
      let step = unsafe try session.attempt { ssl in
        unsafe bytes.withUnsafeBytes { bytes in
          let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[sent...])
          return unsafe SSL_write_ex(ssl, rest.baseAddress, rest.count, &count)
        }
      }
      switch step {
      case .done:
        sent += count
        if channel.needsYield() { await Task.yield() }
      case .ended: throw NetError.closed
      case .wantsRead: try await channel.wait(for: .read, until: deadline)
      case .wantsWrite: try await channel.waitToWrite(until: deadline)
      }
    }
  }

  /// Says the end to the peer, without waiting for it, and closes both directions.
  package func close() {
    session.end()
    socket.close()
  }
}
