import TestSupport
import Testing

@testable import MailProtocols

@Suite("POP3 answers, mutilated", .timeLimit(.minutes(6)))
struct POP3MutationTests {
  private static let answers: [[UInt8]] = [
    "+OK 3 9\r\n+OK\r\n1 a\r\n2 b c\r\n3\r\n.\r\n+OK\r\nSubject: x\r\n\r\n..\r\n.\r\n+OK\r\n.\r\n",
    "+OK\r\nTOP\r\nSASL PLAIN\r\nEXPIRE 60 USER\r\n.\r\n-ERR [SYS/TEMP] no\r\n+OK\r\n.\r\n",
    "-ERR\n+ok\n+OK\na\n.\n+OK 1 2\r\n", "+OK\r\n1 1\r\n2 2\r\n.\r\n+ YQ==\r\n+OK [IN-USE] x\r\n",
  ].map { Array($0.utf8) }

  /// What came of an answer: its events up to an error, the error, and what is left.
  private struct Trace: Equatable {
    var events: [POP3Session.Event] = []
    var error: POP3SyntaxError?
    var isWaiting = false

    init(_ wire: [UInt8], pieces: Int) throws {
      var limits = POP3Limits()
      limits.lineBytes = 200
      limits.messageBytes = 2000
      var session = try POP3Wire.session(limits: limits)
      let one = POP3MessageNumber(1)
      for command: POP3Command in [
        .status, .uniqueIDs, .retrieve(one, announced: 20), .list, .capabilities,
        POP3Command.authenticate(.plain, initialResponse: nil, secrets: []).command, .languages,
        .noop,
      ] {
        session.send(command)
      }
      var start = 0
      do {
        while start < wire.count, error == nil {
          let end = pieces < wire.count - start ? start + pieces : wire.count
          session.receive(Array(wire[start..<end]))
          while let event = try session.next() {
            events.append(event)
            if case .challenge = event { session.respond(nil) }
          }
          start = end
        }
      } catch let found {
        error = found
      }
      events = POP3Wire.joined(events)
      isWaiting = session.commandsUnderWay > 0
      _ = session.endWithoutDot(isConnectionOver: true)
    }
  }

  @Test func `Mutation: no answer traps, nor reads otherwise when it comes in pieces`() throws {
    try Mutations.run("pop3", of: Self.answers, count: 600) { wire in
      let whole = try Trace(wire, pieces: .max)
      // A text that is too long is cut off where its pieces end.
      if case .tooLong? = whole.error { return }
      for pieces in [1, 2, 7] {
        #expect(try Trace(wire, pieces: pieces) == whole, "\(wire)")
      }
    }
  }

  @Test func `Mutation: no handshake of KPOP traps`() throws {
    let good: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3] + Array("+OK hi\r\n".utf8)
    try Mutations.run("kpop", of: [good], count: 600) { wire in
      for pieces in [1, 3, Int.max] {
        var handshake = KPOPHandshake()
        var start = 0
        while start < wire.count {
          let end = pieces < wire.count - start ? start + pieces : wire.count
          handshake.receive(Array(wire[start..<end]))
          while let event = handshake.next() {
            if case .wantsRequest = event { handshake.sendRequest([1]) }
          }
          start = end
        }
      }
    }
  }
}
