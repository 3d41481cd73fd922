package import MailProtocols
import Net

extension IMAPClient {
  /// Fetches a section of a message in pieces, of which no more than one is in memory.
  package func fetchBody(_ uid: UID, _ section: BodySection) -> BodyFetch {
    BodyFetch(client: self, uid: uid, section: section)
  }

  /// A section of a message as a whole, if it has at most `limit` bytes.
  package func fetchBytes(
    _ uid: UID,
    _ section: BodySection,
    upTo limit: Int
  ) async throws(IMAPError) -> [UInt8] {
    var bytes: [UInt8] = []
    let fetch = fetchBody(uid, section)
    while let piece = try await fetch.next() {
      guard bytes.count + piece.count <= limit else {
        fetch.cancel()
        throw .limitExceeded(limit: "a section of \(limit) bytes")
      }
      if bytes.isEmpty { bytes = piece } else { bytes.append(contentsOf: piece) }
    }
    return bytes
  }
}

/// The bytes of a section, piece by piece as they arrive.
///
/// The socket is read when the caller asks for a piece: a slow reader slows the server down, and
/// nothing gathers here.
package final class BodyFetch {
  private let client: IMAPClient
  private let uid: UID
  private let section: BodySection
  private var tag: IMAPSession.Tag?
  private var state = State.new
  private var streamed = 0

  private enum State {
    case new
    case reading
    /// The message's response was read; the command has not ended.
    case answered
    case ended
  }

  init(client: IMAPClient, uid: UID, section: BodySection) {
    self.client = client
    self.uid = uid
    self.section = section
  }

  /// The next piece, never empty; nil after the last one.
  package func next() async throws(IMAPError) -> [UInt8]? {
    switch state {
    case .ended: return nil
    case .reading, .answered: try client.resume(self)
    case .new:
      try await client.begin(.now + client.timeouts.silence)
      tag = client.session.send(.fetchBody(uid, section))
      state = .reading
    }
    do throws(IMAPError) {
      let piece = try await readPiece()
      if state == .ended { client.end() } else { client.suspend(self) }
      return piece
    } catch {
      state = .ended
      client.end()
      throw error
    }
  }

  /// Gives up: what is still to come of a section in transfer is not read, the connection closes.
  package func cancel() {
    guard state == .reading || state == .answered else { return }
    state = .ended
    client.close()
  }

  private func readPiece() async throws(IMAPError) -> [UInt8]? {
    while true {
      switch try await client.nextEvent(.now + client.timeouts.silence) {
      case .literal(let piece):
        streamed += piece.count
        return piece
      case .untagged(.fetch(let message)):
        if let bytes = try take(message), !bytes.isEmpty { return bytes }
      case .untagged(let response): client.note(response)
      case .completed(let ended, let status):
        guard ended == tag else { continue }
        guard status.condition == .ok else { throw IMAPError(status, to: "UID FETCH") }
        guard state == .answered else { throw .notFound }
        state = .ended
        return nil
      case .greeting, .wantsLiteral, .idling, .challenge: continue
      }
    }
  }

  /// The bytes of a response that holds the section; nil where they were streamed before it.
  private func take(_ message: FetchedMessage) throws(IMAPError) -> [UInt8]? {
    guard message.uid == uid, let found = message.sections.first else {
      if streamed > 0, state == .reading {
        throw client.fail(.broken(reason: "the server sent a section of another message"))
      }
      client.note(.fetch(message))
      return nil
    }
    guard state == .reading else { return nil }
    switch found.content {
    case .absent: return nil
    case .bytes(let bytes):
      state = .answered
      return bytes
    case .streamed(let count):
      guard count == streamed else {
        throw client.fail(.broken(reason: "the section has \(streamed) bytes, not \(count)"))
      }
      state = .answered
      return nil
    }
  }
}

extension BodyFetch: UnfinishedFetch {
  func drain(_ deadline: Deadline) async throws(IMAPError) {
    state = .ended
    while true {
      switch try await client.nextEvent(deadline) {
      case .completed(let ended, _):
        if ended == tag { return }
      case .untagged(let response):
        if case .fetch(let message) = response, message.uid == uid { continue }
        client.note(response)
      default: continue
      }
    }
  }
}
