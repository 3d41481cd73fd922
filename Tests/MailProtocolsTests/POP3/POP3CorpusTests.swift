import Foundation
import TestSupport
import Testing

@testable import MailProtocols

/// One step of a recorded session: what the client says, and what the server answers.
struct POP3RecordedStep: Decodable, Sendable {
  let expect: String
  let send_file: String?
  let send: String?

  var words: [String] { expect.split { $0.isWhitespace }.map(String.init) }

  /// What the recorded server said, with CRLF.
  func answer(in folder: String) throws -> [UInt8] {
    guard let send_file else { return Array((send ?? "").utf8) }
    var output: [UInt8] = []
    for byte in try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(send_file)")) {
      if byte == 0x0A, output.last != 0x0D { output.append(0x0D) }
      output.append(byte)
    }
    return output
  }

  static func all(_ file: String) throws -> [POP3RecordedStep] {
    let data = try Data(contentsOf: URL(fileURLWithPath: file))
    return try JSONDecoder().decode([POP3RecordedStep].self, from: data)
  }
}

@Suite("Recorded POP3 sessions", .enabled(if: RepositoryRoot.corpus("pop3") != nil))
struct POP3CorpusTests {
  static let sessions = RepositoryRoot.corpusFiles("pop3/sessions", suffix: ".json")
  static let answers = RepositoryRoot.corpusFiles("pop3/recorded", suffix: ".txt")

  @Test(arguments: sessions, [Int.max, 1, 7])
  func `a recorded session goes as it went`(_ file: String, _ pieces: Int) throws {
    let folder = try #require(RepositoryRoot.corpus("pop3"))
    var session = POP3Session()
    for step in try POP3RecordedStep.all(file) {
      if let command = try command(step.words, session) { session.send(command) }
      let said = String(decoding: session.takeOutput(), as: UTF8.self)
      #expect(said == step.expect)
      let events = try POP3Wire.events(
        try step.answer(in: folder),
        pieces: pieces,
        into: &session
      )
      try respond(to: events, &session)
      #expect(!session.hasUnreadBytes)
    }
    let isOver = !file.contains("start-tls")
    #expect(session.state == (isOver ? .closed : .authorization))
    #expect(session.commandsUnderWay == 0)
  }

  /// The command of our own that a recorded line calls for; nil where it is a response of AUTH's.
  private func command(_ words: [String], _ session: POP3Session) throws -> POP3Command? {
    let number = words.count > 1 ? UInt32(words[1]).map { POP3MessageNumber($0) } : nil
    switch (words.first, number) {
    case (nil, _): return nil
    case ("CAPA", _): return .capabilities
    case ("USER", _): return try .user(words[1])
    case ("PASS", _): return try .password(words[1])
    case ("APOP", _):
      let timestamp = try #require(session.timestamp)
      return try .apop("username", password: "password", timestamp: timestamp)
    case ("AUTH", _):
      return POP3Command.authenticate(.plain, initialResponse: nil, secrets: []).command
    case ("STAT", _): return .status
    case ("LIST", let number?): return .list(number)
    case ("LIST", _): return .list
    case ("UIDL", let number?): return .uniqueID(number)
    case ("UIDL", _): return .uniqueIDs
    case ("RETR", let number?): return .retrieve(number)
    case ("TOP", let number?): return .top(number, lines: 0)
    case ("DELE", let number?): return .delete(number)
    case ("NOOP", _): return .noop
    case ("RSET", _): return .reset
    case ("UTF8", _): return .utf8
    case ("LANG", _): return words.count > 1 ? try .language(words[1]) : .languages
    case ("QUIT", _): return .quit
    default: return nil
    }
  }

  private func respond(to events: [POP3Session.Event], _ session: inout POP3Session) throws {
    guard case .challenge? = events.last else { return }
    session.respond(Array("\u{0}username\u{0}password".utf8))
  }

  @Test(arguments: answers)
  func `every recorded answer is one whole answer`(_ file: String) throws {
    let name = file.split(separator: "/").last ?? ""
    let kinds: [(prefix: String, command: POP3Command)] = [
      ("capa", .capabilities), ("uidl.", .uniqueIDs), ("list.", .list), ("getlang", .languages),
      ("retr", .retrieve(.init(1))), ("top", .top(.init(1), lines: 0)),
    ]
    guard !name.contains("greeting"), !name.contains("plus") else { return }
    var session = try POP3Wire.session()
    session.send(kinds.first { name.hasPrefix($0.prefix) }?.command ?? .noop)
    let folder = try #require(RepositoryRoot.corpus("pop3"))
    let step = POP3RecordedStep(
      expect: "",
      send_file: String(file.dropFirst(folder.count + 1)),
      send: nil
    )
    let events = try POP3Wire.events(try step.answer(in: folder), into: &session)
    #expect(session.commandsUnderWay == 0 && !session.hasUnreadBytes)
    #expect(!events.contains(.malformedLine))
  }
}
