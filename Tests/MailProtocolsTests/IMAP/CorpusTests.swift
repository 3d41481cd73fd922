import Foundation
import TestSupport
import Testing

@testable import MailProtocols

@Suite("IMAP sessions recorded from real servers", .enabled(if: IMAPCorpus.folder != nil))
struct IMAPCorpusTests {
  @Test(arguments: IMAPCorpus.sessions, [Int.max, 1, 7])
  func `every response of a session parses and every command ends`(
    file: String,
    pieces: Int
  ) throws {
    var limits = IMAPLimits()
    limits.malformedResponses = 0
    var session = IMAPSession(limits: limits)
    var tags: [String: String] = [:]
    for step in try IMAPCorpus.steps(file) {
      if let (tag, verb) = step.command {
        _ = session.send(verb == "IDLE" ? .idle : IMAPCommand(verb))
        tags[tag] = String(text(session.takeOutput()).prefix { $0 != " " })
      }
      let answer = try step.answer(tags)
      _ = try Wire.events(answer, pieces: pieces, into: &session)
      if session.state == .loggedOut { return }
      #expect(!session.hasUnreadBytes)
    }
    #expect(!session.isBusy)
  }
}

/// The sessions, where they stand beside the repository.
enum IMAPCorpus {
  static let folder = RepositoryRoot.corpus("imap")
  static let sessions = RepositoryRoot.corpusFiles("imap/sessions", suffix: ".json")

  /// What the recorded client sent, and what its server answered.
  struct Step: Decodable {
    let expect: String
    let tag: String?
    let send: String?
    let sendFile: String?
    let reply: String?

    enum CodingKeys: String, CodingKey {
      case expect, tag, send, reply
      case sendFile = "send_file"
    }

    /// The tag and the name of the command, where one was expected.
    var command: (tag: String, verb: String)? {
      let words = expect.split { $0.isWhitespace }
      guard words.count > 1, words[0].hasPrefix("A"), words[0].count == 9 else { return nil }
      return (String(words[0]), String(words[1]))
    }

    /// The recorded answer with CRLF, and with our tags in place of the recorded ones.
    func answer(_ tags: [String: String]) throws -> [UInt8] {
      let recorded = tag ?? command?.tag ?? "A########"
      let ours = tags[recorded] ?? "A0"
      var wire = send ?? (reply == "Plus" ? "+\r\n" : "\(ours) OK done\r\n")
      if let sendFile, let folder {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(sendFile)"))
        wire = String(decoding: bytes, as: UTF8.self)
          .replacing("\r\n", with: "\n").replacing("\n", with: "\r\n")
      }
      let tagged = wire.replacing("A########", with: ours).replacing(recorded, with: ours)
      return Array(tagged.utf8)
    }
  }

  static func steps(_ file: String) throws -> [Step] {
    try JSONDecoder().decode([Step].self, from: Data(contentsOf: URL(fileURLWithPath: file)))
  }
}
