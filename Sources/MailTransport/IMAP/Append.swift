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
  /// Where the server refuses before it takes the literal, `next` is never called. If `next`
  /// throws, or gives other than `count` bytes in all, the connection is closed, since the server
  /// waits for the rest.
  @discardableResult
  package func append(
    count: Int,
    to mailbox: MailboxName,
    flags: [Flag] = [],
    internalDate: InternalDate? = nil,
    next: () async throws -> [UInt8]?
  ) async throws -> AppendUID? {
    try await begin(.now + timeouts.silence)
    defer { end() }
    let tag = session.send(
      .append(to: mailbox, flags: flags, internalDate: internalDate, count: count)
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
