import Bytes
@testable import MailProtocols
import TestSupport
import Testing

@Suite("ManageSieve sessions (RFC 5804)") struct ManageSieveSessionTests {
  private static let greeting = """
    "IMPLEMENTATION" "Example1 ManageSieved v001"\r
    "SASL" "DIGEST-MD5 plain"\r
    "SIEVE" {18}\r
    fileinto vacation \r
    "STARTTLS"\r
    "MAXREDIRECTS" "5"\r
    "NOTIFY" "mailto"\r
    "OWNER" "alexey@example.com"\r
    OK (TAG "x") "ready"\r

    """

  /// A session that was greeted and, where there is one, sent `command`.
  private func session(_ command: ManageSieveCommand? = nil) throws -> ManageSieveSession {
    var session = ManageSieveSession()
    session.receive(Array(Self.greeting.utf8))
    guard case .greeting? = try session.next() else { throw TestSupportError.failed("no greeting") }
    if let command {
      session.send(command)
      _ = session.takeOutput()
    }
    return session
  }

  /// The events that `wire` gives, the same whichever way it is cut in two.
  private func events(
    _ wire: String,
    after command: ManageSieveCommand
  ) throws -> [ManageSieveSession.Event] {
    let bytes = Array(wire.utf8)
    var found: [ManageSieveSession.Event]?
    for cut in 0...bytes.count {
      var session = try session(command)
      var all: [ManageSieveSession.Event] = []
      for piece in [bytes[..<cut], bytes[cut...]] {
        session.receive(Array(piece))
        while let event = try session.next() { all.append(event) }
      }
      if let found { #expect(found == all, "cut at \(cut)") }
      found = all
    }
    return found ?? []
  }

  @Test func `a greeting tells what the server can do`() throws {
    let capabilities = try session().capabilities
    #expect(capabilities.implementation == "Example1 ManageSieved v001")
    #expect(capabilities.mechanisms == ["DIGEST-MD5", "PLAIN"])
    #expect(capabilities.extensions == ["fileinto", "vacation"])
    #expect(capabilities.offersStartTLS && capabilities.maxRedirects == 5)
    #expect(capabilities.notifyMethods == ["mailto"] && capabilities.owner == "alexey@example.com")
  }

  @Test func `a list of scripts is read, quoted or literal`() throws {
    let wire = "\"a \\\"b\\\" \\\\c\" active\r\n{7}\r\nx\r\ny {3\r\nOK\r\n"
    let events = try events(wire, after: .listScripts)
    guard case .completed(let answer)? = events.first, events.count == 1 else {
      Issue.record("\(events)")
      return
    }
    #expect(answer.lines.map { $0.first?.text } == ["a \"b\" \\c", "x\r\ny {3"])
    #expect(answer.lines[0][1] == .atom("active"))
  }

  @Test func `a script comes with whatever stands in it`() throws {
    let script = "# {5}\r\nOK\r\nkeep;\r\n"
    let wire = "{\(script.utf8.count)}\r\n\(script)\r\nOK (WARNINGS) {4}\r\na\r\nb\r\n"
    let events = try events(wire, after: .getScript("x"))
    var expected = ManageSieveAnswer(.ok, code: ManageSieveCode("WARNINGS"), text: "a\r\nb")
    expected.lines = [[.string(Array(script.utf8))]]
    #expect(events == [.completed(expected)])
  }

  @Test(arguments: [
    ("NO (QUOTA/MAXSIZE) \"too large\"\r\n", "QUOTA", "too large"),
    ("no (nonexistent)\r\n", "NONEXISTENT", ""),
    ("NO (ACTIVE (x 1)) {2}\r\nhi\r\n", "ACTIVE", "hi"),
  ])
  func `a refusal says why`(wire: String, kind: String, text: String) throws {
    guard case .completed(let answer)? = try events(wire, after: .deleteScript("x")).first else {
      Issue.record("no answer")
      return
    }
    #expect(answer.status == .no && answer.text == text)
    #expect(answer.code?.isKind(of: kind) == true)
    #expect(answer.code?.isKind(of: "QUOT") == false)
  }

  @Test func `a login goes on by challenges, and what is secret is never told`() throws {
    var session = try session()
    session.send(
      .authenticate(.plain, initialResponse: Array("hunter2".utf8), secrets: ["hunter2"])
    )
    #expect(
      String(decoding: session.takeOutput(), as: UTF8.self)
        == "AUTHENTICATE \"PLAIN\" \"aHVudGVyMg==\"\r\n"
    )
    session.receive(Array("{4}\r\nYWJj\r\n\"!\"\r\n".utf8))
    #expect(try session.next() == .challenge(Array("abc".utf8)))
    #expect(try session.next() == nil)
    session.respond(Array("x".utf8))
    #expect(String(decoding: session.takeOutput(), as: UTF8.self) == "\"eA==\"\r\n")
    #expect(try session.next() == .challenge(nil))
    session.respond(nil)
    #expect(String(decoding: session.takeOutput(), as: UTF8.self) == "\"*\"\r\n")
    session.receive(Array("NO \"hunter2 and aHVudGVyMg==\"\r\n".utf8))
    let answer = ManageSieveAnswer(.no, text: "[redacted] and [redacted]")
    #expect(try session.next() == .completed(answer))
  }

  @Test func `what came before the handshake is forgotten`() throws {
    var session = try session(.startTLS)
    session.receive(Array("OK\r\n\"SIEVE\" \"evil\"\r\nOK\r\n".utf8))
    #expect(try session.next() == .handshake)
    #expect(try session.next() == nil)
    session.secured()
    #expect(try session.next() == nil && session.capabilities.extensions.isEmpty)
    session.receive(Array("\"SIEVE\" \"reject\"\r\nOK\r\n".utf8))
    guard case .greeting? = try session.next() else {
      Issue.record("no greeting")
      return
    }
    #expect(session.capabilities.extensions == ["reject"] && session.isReady)
  }

  @Test func `a bye ends whatever is under way`() throws {
    let wire = "BYE (REFERRAL \"sieve://other.example\") \"go\"\r\n"
    let url = Array("sieve://other.example".utf8)
    let answer = ManageSieveAnswer(
      .bye,
      code: ManageSieveCode("referral", argument: url),
      text: "go"
    )
    #expect(try events(wire, after: .listScripts) == [.completed(answer)])
  }

  @Test func `commands are written as the grammar has them`() throws {
    func text(_ command: ManageSieveCommand) -> String {
      String(decoding: command.bytes, as: UTF8.self)
    }
    let put = "PUTSCRIPT {3+}\r\na\"b {3+}\r\né;\r\n"
    #expect(text(try .putScript("a\"b", Array("é;".utf8))) == put)
    #expect(text(try .setActive(nil)) == "SETACTIVE \"\"\r\n")
    #expect(text(try .haveSpace("x", size: 99)) == "HAVESPACE \"x\" 99\r\n")
    #expect(text(try .renameScript("x", to: "y\\")) == "RENAMESCRIPT \"x\" {2+}\r\ny\\\r\n")
    let long = [UInt8](repeating: 0x61, count: 1025)
    #expect(ManageSieveCommand.string(long) == Array("{1025+}\r\n".utf8) + long)
    for name in ["", "a\u{7}", "a\u{2028}", "a\nb", String(repeating: "a", count: 129)] {
      #expect(throws: ManageSieveInputError.scriptName) { try ManageSieveCommand.getScript(name) }
    }
    var limits = ManageSieveLimits()
    limits.scriptBytes = 3
    #expect(throws: ManageSieveInputError.scriptTooLong) {
      try ManageSieveCommand.checkScript(Array("keep".utf8), limits: limits)
    }
  }

  @Test(arguments: [
    "HTTP/1.1 400 Bad Request\r\n", "\"a\r\nOK\r\n", "(x)\r\n", "OK (a\r\n", "{99999999999}\r\n",
    "\"x\" ((((((((((\r\n",
  ])
  func `what is no answer is an error`(wire: String) throws {
    var session = try session(.listScripts)
    session.receive(Array(wire.utf8))
    #expect(throws: ManageSieveSyntaxError.self) {
      while let _ = try session.next() {}
      // What is taken for a line of an answer must not end one.
      if wire.hasPrefix("OK") { throw ManageSieveSyntaxError.unasked }
    }
  }

  @Test func `an answer has bounds`() throws {
    var limits = ManageSieveLimits()
    (limits.lineBytes, limits.lines, limits.answerBytes) = (100, 5, 60)
    for wire in [
      String(repeating: "x", count: 101), "{90}\r\n" + String(repeating: "x", count: 90) + "\r\n\"",
      String(repeating: "\"\"\r\n", count: 6),
      String(repeating: "\"aaaaaaaaaaaaaa\"\r\n", count: 4),
    ] {
      var session = ManageSieveSession(limits: limits)
      session.receive(Array(wire.utf8))
      #expect(throws: ManageSieveSyntaxError.self) { while let _ = try session.next() {} }
    }
  }

  @Test func `Mutation: an answer of any bytes is events or an error, however it is cut`() throws {
    let inputs = [
      Self.greeting, Self.greeting + "\"x\" ACTIVE\r\n{3}\r\nabc\r\nNO (QUOTA) \"x\"\r\n",
      "OK\r\n\"a\\\"b\"\r\nBYE (REFERRAL {3}\r\nx:y) \"x\"\r\n",
    ].map { Array($0.utf8) }
    try Mutations.run("managesieve", of: inputs) { wire in
      let traces = [1, 7, wire.count].map { trace(wire, pieces: max($0, 1)) }
      #expect(traces[0] == traces[2] && traces[1] == traces[2])
    }
  }

  /// The events that `wire` gives, fed in pieces, to a client that lists scripts all the time.
  private func trace(_ wire: [UInt8], pieces size: Int) -> [String] {
    var session = ManageSieveSession()
    var found: [String] = []
    for start in stride(from: 0, to: wire.count, by: size) {
      session.receive(Array(wire[start..<min(start + size, wire.count)]))
      do throws(ManageSieveSyntaxError) {
        while let event = try session.next() {
          found.append("\(event)")
          if session.isReady { session.send(.listScripts) }
        }
      } catch {
        return found + ["error"]
      }
    }
    return found
  }
}
