package import MailProtocols
import Net

extension IMAPClient {
  /// Puts `message` into `mailbox`; nil where the server does not say which UID it got.
  @discardableResult
  package func append(
    _ message: [UInt8],
    to mailbox: MailboxName,
    flags: [Flag] = [],
    internalDate: InternalDate? = nil
  ) async throws(IMAPError) -> AppendUID? {
    var piece: [UInt8]? = message
    do {
      return try await append(
        count: message.count,
        to: mailbox,
        flags: flags,
        internalDate: internalDate
      ) {
        defer { piece = nil }
        return piece
      }
    } catch let error as IMAPError {
      throw error
    } catch {
      throw fail(.broken(reason: "the source of the message failed"))
    }
  }

  /// Puts a message of `count` bytes, which `next` gives in pieces, into `mailbox`.
  ///
  /// A message whose header is UTF-8 (RFC 6532) is marked so where UTF8=ACCEPT is enabled. Where the
  /// server refuses before it takes the literal, `next` is never called. If `next`
  /// throws, or gives other than `count` bytes in all, the connection is closed, since the server
  /// waits for the rest.
  @discardableResult
  package func append(
    count: Int,
    to mailbox: MailboxName,
    flags: [Flag] = [],
    internalDate: InternalDate? = nil,
    hasUTF8Header: Bool = false,
    next: () async throws -> [UInt8]?
  ) async throws -> AppendUID? {
    // Before the server must read it all to say so, or cut the connection (RFC 7889 §4).
    if let limit = capabilities.appendLimit, count > limit {
      let code = ResponseCode.other(name: "TOOBIG", argument: "")
      throw IMAPError.refused(command: "APPEND", response: "at most \(limit) bytes", code: code)
    }
    try await begin(.now + timeouts.silence)
    defer { end() }
    let tag = session.send(
      .append(
        to: mailbox,
        flags: flags,
        internalDate: internalDate,
        count: count,
        hasUTF8Header: hasUTF8Header && session.enabled.contains(.utf8Accept)
      )
    )
    while true {
      switch try await nextEvent(.now + timeouts.silence) {
      case .wantsLiteral(let count):
        try await writeLiteral(count, next)
        session.literalSent()
      case .completed(let ended, let status):
        guard ended == tag else { continue }
        guard status.condition == .ok else { throw IMAPError(status, to: "APPEND") }
        guard case .appendUID(let appendUID)? = status.code else { return nil }
        return appendUID
      case .untagged(let response): note(response)
      case .greeting, .literal, .idling, .challenge: continue
      }
    }
  }

  private func writeLiteral(_ count: Int, _ next: () async throws -> [UInt8]?) async throws {
    let head = session.takeOutput()
    if !head.isEmpty { try await write(head, .now + timeouts.silence) }
    var left = count
    do {
      while let piece = try await next() {
        left -= piece.count
        guard left >= 0 else { break }
        try await write(piece, .now + timeouts.silence)
      }
    } catch {
      close()
      throw error
    }
    guard left == 0 else {
      throw fail(.broken(reason: "the message has not the \(count) bytes announced"))
    }
  }
}
