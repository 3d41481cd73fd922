import Bytes

@testable import MailProtocols

/// A session that was greeted and logged in, and what it makes of bytes.
enum Wire {
  static let greeting = "* PREAUTH [CAPABILITY IMAP4rev1] ready\r\n"

  /// The literal that holds `text`.
  static func literal(_ text: String) -> String { "{\(text.utf8.count)}\r\n\(text)" }

  /// The events that `wire` gives, fed in pieces of `size` bytes, after `commands` were sent.
  static func events(
    _ wire: String,
    pieces size: Int = .max,
    limits: IMAPLimits = IMAPLimits(),
    sending commands: [IMAPCommand] = []
  ) throws -> [IMAPSession.Event] {
    var session = IMAPSession(limits: limits)
    session.receive(Array(greeting.utf8))
    _ = try session.next()
    for command in commands { _ = session.send(command) }
    return try events(Array(wire.utf8), pieces: size, into: &session)
  }

  static func events(
    _ bytes: [UInt8],
    pieces size: Int = .max,
    into session: inout IMAPSession
  ) throws -> [IMAPSession.Event] {
    var events: [IMAPSession.Event] = []
    var start = 0
    while start < bytes.count {
      let end = size < bytes.count - start ? start + size : bytes.count
      session.receive(Array(bytes[start..<end]))
      while let event = try session.next() { events.append(event) }
      start = end
    }
    return events
  }

  /// The one untagged response that `line` is, whichever way it is cut.
  static func response(
    _ line: String,
    limits: IMAPLimits = IMAPLimits()
  ) throws -> UntaggedResponse {
    let bytes = Array("* \(line)\r\n".utf8)
    var found: UntaggedResponse?
    for cut in 0...bytes.count {
      var session = IMAPSession(limits: limits)
      session.receive(Array(greeting.utf8))
      _ = try session.next()
      session.receive(Array(bytes[..<cut]))
      let early = try session.next()
      session.receive(Array(bytes[cut...]))
      guard case .untagged(let response)? = try early ?? session.next() else {
        throw WireError.noResponse(cut: cut)
      }
      if let found, found != response { throw WireError.differs(cut: cut) }
      found = response
    }
    guard let found else { throw WireError.noResponse(cut: 0) }
    return found
  }

  /// The message that the FETCH response with these `items` tells of.
  static func message(_ items: String, limits: IMAPLimits = IMAPLimits()) throws -> FetchedMessage {
    guard case .fetch(let message) = try response("7 FETCH (\(items))", limits: limits) else {
      throw WireError.noResponse(cut: 0)
    }
    return message
  }

  /// What `command`, sent first, writes up to the first continuation that it waits for.
  static func output(_ command: IMAPCommand, capabilities: String = "IMAP4rev1") throws -> String {
    var session = IMAPSession()
    session.receive(Array("* PREAUTH [CAPABILITY \(capabilities)] ready\r\n".utf8))
    _ = try session.next()
    _ = session.send(command)
    return String(decoding: session.takeOutput(), as: UTF8.self)
  }

  enum WireError: Error {
    case noResponse(cut: Int)
    case differs(cut: Int)
  }
}
