import MailProtocols
package import Net

extension IMAPClient {
  /// Deflates all further traffic both ways (RFC 4978), and returns whether the server does so.
  ///
  /// After login, so that no secret is deflated together with what others choose. It costs some
  /// 70 KB a connection, and pays where messages are transferred over a slow line.
  @discardableResult
  package func compress(deadline: Deadline? = nil) async throws(IMAPError) -> Bool {
    guard capabilities.contains(.compressDeflate), !isCompressed else { return isCompressed }
    guard session.state != .notAuthenticated else { return false }
    let status = try await pipeline([.compress], deadline: deadline).first
    // NO: it is deflated already, by TLS or below (RFC 4978 §3). BAD: it is listed, but not known.
    guard status?.condition == .ok else { return false }
    do {
      // What the server sent behind its OK is deflated already.
      stream = try DeflateStream(over: stream, received: session.takeUnreadBytes())
    } catch {
      throw fail(.broken(reason: "zlib has no memory"))
    }
    isCompressed = true
    return true
  }
}
