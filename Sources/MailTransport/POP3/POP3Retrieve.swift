package import MailProtocols
import Net

/// What the server sent of a message that it was asked for.
package enum POP3Retrieved: Hashable, Sendable {
  /// It comes: its pieces are `nextPiece`'s.
  case message(POP3ListedMessage)
  /// The server does not send it.
  case refused(POP3ListedMessage, POP3Reply)
}

/// Messages, one after the other, each piece by piece as it arrives.
///
/// ```swift
/// let retrieval = client.retrieve(list.messages)
/// while let next = try await retrieval.nextMessage() {
///   guard case .message(let message) = next else { continue }
///   while let piece = try await retrieval.nextPiece() { … }
/// }
/// ```
///
/// Where the server pipelines, commands go ahead of the answers, and the next message is on its way while
/// one is handled. The socket is read when the caller asks for a piece: a slow caller slows the server
/// down, and nothing gathers here.
package final class POP3Retrieval {
  private enum State {
    case new
    /// Between two messages.
    case between
    case text
    /// After the last message.
    case ended
    /// A message may have been cut short: whoever asks on is told why.
    case failed(POP3Error)
  }

  private let client: POP3Client
  private let queue: [POP3ListedMessage]
  private let lines: Int?
  private var sent = 0
  private var answered = 0
  private var state = State.new
  /// How the last message ended; anything but `dot` was taken for whole by its announced size alone, and
  /// is no reason to delete it.
  package private(set) var lastEnd: POP3Session.End?

  init(client: POP3Client, queue: [POP3ListedMessage], lines: Int?) {
    self.client = client
    self.queue = queue
    self.lines = lines
  }

  /// Goes on to the next message, past what is left of this one; nil after the last.
  package func nextMessage() async throws(POP3Error) -> POP3Retrieved? {
    while case .text = state { _ = try await nextPiece() }
    if case .ended = state { return nil }
    try await claim()
    do throws(POP3Error) {
      guard answered < queue.count else {
        state = .ended
        client.end()
        return nil
      }
      try sendAhead()
      let message = queue[answered]
      switch try await client.nextEvent(.now + client.timeouts.silence) {
      case .began:
        state = .text
        client.suspend(self)
        return .message(message)
      case .completed(let reply):
        answered += 1
        client.suspend(self)
        return .refused(message, reply)
      default: throw client.astray()
      }
    } catch {
      throw ended(by: error)
    }
  }

  /// The next piece of the message, never empty; nil after the last one.
  package func nextPiece() async throws(POP3Error) -> [UInt8]? {
    if case .failed(let error) = state { throw error }
    guard case .text = state else { return nil }
    try client.resume(self)
    do throws(POP3Error) {
      switch try await client.nextEvent(.now + client.timeouts.silence) {
      case .text(let piece):
        client.suspend(self)
        return piece
      case .ended(let end):
        finishMessage(end)
        client.suspend(self)
        return nil
      default: throw client.astray()
      }
    } catch {
      throw ended(by: error)
    }
  }

  /// Gives up: what is still to come of the messages under way is not read, the connection closes.
  package func cancel() {
    switch state {
    case .ended, .failed: return
    case .new, .between, .text: state = .failed(.closed)
    }
    if sent > answered { client.close() }
  }

  private func claim() async throws(POP3Error) {
    switch state {
    case .failed(let error): throw error
    case .new:
      try await client.begin(.now + client.timeouts.command)
      state = .between
    case .between, .text, .ended: try client.resume(self)
    }
  }

  /// Sends as many commands as may be under way, when half of them are answered: in few writes.
  private func sendAhead() throws(POP3Error) {
    let window = client.window
    guard sent - answered <= window / 2 else { return }
    while sent < queue.count, sent - answered < window {
      let message = queue[sent]
      let command: POP3Command =
        if let lines {
          .top(message.number, lines: lines)
        } else {
          .retrieve(message.number, announced: message.octets)
        }
      try client.send(command)
      sent += 1
    }
  }

  private func finishMessage(_ end: POP3Session.End) {
    lastEnd = end
    if lines == nil, end == .dot { client.retrieved.insert(queue[answered].number) }
    answered += 1
    state = .between
  }

  private func ended(by error: POP3Error) -> POP3Error {
    state = .failed(error)
    client.end()
    return error
  }

  /// Reads and drops what is under way; what was not asked for yet stays so.
  func drain(_ deadline: Deadline) async throws(POP3Error) {
    state = .failed(.closed)
    while answered < sent {
      switch try await client.nextEvent(deadline) {
      case .completed, .ended: answered += 1
      default: continue
      }
    }
  }
}

extension POP3Client {
  /// Retrieves whole messages.
  package func retrieve(_ messages: [POP3ListedMessage]) -> POP3Retrieval {
    POP3Retrieval(client: self, queue: messages, lines: nil)
  }

  /// Retrieves the headers of messages, and the first `lines` of their bodies; TOP is optional.
  package func tops(of messages: [POP3ListedMessage], lines: Int = 0) -> POP3Retrieval {
    POP3Retrieval(client: self, queue: messages, lines: lines)
  }

  /// A message as a whole, if it has at most `limit` bytes.
  package func bytes(
    of message: POP3ListedMessage,
    upTo limit: Int
  ) async throws(POP3Error) -> [UInt8] {
    let retrieval = retrieve([message])
    let answer = try await retrieval.nextMessage()
    if case .refused(_, let reply)? = answer { throw .refused(command: "RETR", reply) }
    var bytes: [UInt8] = []
    while let piece = try await retrieval.nextPiece() {
      guard bytes.count + piece.count <= limit else {
        retrieval.cancel()
        throw .limitExceeded(limit: "a message of \(limit) bytes")
      }
      if bytes.isEmpty { bytes = piece } else { bytes.append(contentsOf: piece) }
    }
    return bytes
  }
}
