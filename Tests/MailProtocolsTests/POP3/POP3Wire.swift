@testable import MailProtocols

/// A POP3 session, and what it makes of bytes however they are cut.
enum POP3Wire {
  static let greeting = "+OK ready <1896.697170952@dbc.mtview.ca.us>\r\n"

  /// A session that was greeted and, if `loggedIn`, let in.
  static func session(
    loggedIn: Bool = true,
    limits: POP3Limits = POP3Limits()
  ) throws -> POP3Session {
    var session = POP3Session(limits: limits)
    _ = try events(greeting, into: &session)
    guard loggedIn else { return session }
    session.send(try .password("secret"))
    _ = try events("+OK\r\n", into: &session)
    _ = session.takeOutput()
    return session
  }

  /// Every event that `wire` gives, fed in pieces of `size` bytes.
  static func events(
    _ wire: String,
    pieces size: Int = .max,
    into session: inout POP3Session
  ) throws -> [POP3Session.Event] {
    try events(Array(wire.utf8), pieces: size, into: &session)
  }

  static func events(
    _ bytes: [UInt8],
    pieces size: Int = .max,
    into session: inout POP3Session
  ) throws -> [POP3Session.Event] {
    var events: [POP3Session.Event] = []
    var start = 0
    while start < bytes.count {
      let end = size < bytes.count - start ? start + size : bytes.count
      session.receive(Array(bytes[start..<end]))
      while let event = try session.next() { events.append(event) }
      start = end
    }
    return joined(events)
  }

  /// The events of a session that sent `commands`, the same whichever way `wire` is cut in two.
  static func events(
    _ wire: String,
    sending commands: [POP3Command],
    limits: POP3Limits = POP3Limits()
  ) throws -> [POP3Session.Event] {
    let bytes = Array(wire.utf8)
    var found: [POP3Session.Event]?
    for cut in 0...bytes.count {
      var session = try session(limits: limits)
      for command in commands { session.send(command) }
      var all = try events(Array(bytes[..<cut]), into: &session)
      all += try events(Array(bytes[cut...]), into: &session)
      all = joined(all)
      if let found, found != all { throw POP3WireError.differs(cut: cut) }
      found = all
    }
    return found ?? []
  }

  /// The events with the pieces of each text put together.
  static func joined(_ events: [POP3Session.Event]) -> [POP3Session.Event] {
    var all: [POP3Session.Event] = []
    for event in events {
      if case .text(let piece) = event, case .text(let before)? = all.last {
        all[all.count - 1] = .text(before + piece)
      } else {
        all.append(event)
      }
    }
    return all
  }
}

enum POP3WireError: Error {
  case differs(cut: Int)
}

extension POP3Reply {
  static func ok(_ text: String = "") -> POP3Reply { POP3Reply(isPositive: true, text: text) }
  static func err(_ text: String = "") -> POP3Reply { POP3Reply(isPositive: false, text: text) }
}

extension POP3Session.Event {
  static func text(_ text: String) -> POP3Session.Event { .text(Array(text.utf8)) }
}
