import Foundation
import MailProtocols
import TestSupport
import Testing

/// One step of a recorded session: what the client says, and what the server answers.
private struct RecordedStep: Decodable, Sendable {
  let expect: String
  let send_file: String?
  let send: String?

  /// The verb, and the mechanism of AUTH.
  var command: String {
    expect.split { $0.isWhitespace }.prefix(expect.hasPrefix("AUTH") ? 2 : 1)
      .joined(separator: " ")
  }

  func answer(in folder: String) throws -> String {
    guard let send_file else { return send ?? "" }
    let text = try String(contentsOfFile: "\(folder)/\(send_file)", encoding: .utf8)
    return text.split(whereSeparator: \.isNewline).map { $0 + "\r\n" }.joined()
  }
}

@Suite("Recorded SMTP sessions", .enabled(if: RepositoryRoot.corpus("smtp") != nil))
struct SMTPCorpusTests {
  static let sessions = RepositoryRoot.corpusFiles("smtp/sessions", suffix: ".json")

  @Test(arguments: sessions)
  func `a recorded session goes as it went`(_ file: String) throws {
    let folder = try #require(RepositoryRoot.corpus("smtp"))
    let data = try Data(contentsOf: URL(fileURLWithPath: file))
    let steps = try JSONDecoder().decode([RecordedStep].self, from: data)
    let security: SMTPSession.Security = file.contains("start-tls") ? .startTLS : .asItIs
    var talk = try SMTPConversation(security)
    var last: SMTPSession.Event?
    for step in steps {
      // The session has no NOOP, and no mechanism beside PLAIN and LOGIN.
      if step.command == "NOOP" { continue }
      if step.command == "AUTH DIGEST-MD5" {
        #expect(talk.session.capabilities.authMechanisms.contains("DIGEST-MD5"))
        return
      }
      try lead(&talk, to: step)
      let said = talk.client()
      if step.expect.isEmpty || step.command.hasSuffix("HLO") || step.command == "HELO" {
        #expect(said.split(separator: " ").first ?? "" == step.command)
      } else {
        #expect(said == step.expect)
      }
      last = talk.server(try step.answer(in: folder)).last ?? last
      if case .broken(let reason)? = last { Issue.record("broken: \(reason)") }
    }
    #expect(last == (security == .startTLS ? .startTLSNotOffered : .done))
  }

  /// Calls the verb that a step begins with, if it is one.
  private func lead(_ talk: inout SMTPConversation, to step: RecordedStep) throws {
    switch step.command {
    case "QUIT": talk.session.quit()
    case "AUTH PLAIN":
      try talk.authenticate(.plain, .password(username: "username", password: "password"))
    case "AUTH LOGIN": talk.session.logIn(username: "username", password: "password")
    default: break
    }
  }
}
