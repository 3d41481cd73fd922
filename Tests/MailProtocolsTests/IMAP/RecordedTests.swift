import Foundation
import TestSupport
import Testing

@testable import MailProtocols

@Suite("IMAP answers recorded from real servers", .enabled(if: IMAPCorpus.folder != nil))
struct RecordedTests {
  static let files = RepositoryRoot.corpusFiles("imap/recorded", suffix: ".txt")

  @Test(arguments: files, [Int.max, 11])
  func `no message of an answer is lost, and no response is dropped`(
    file: String,
    pieces: Int
  ) throws {
    let bytes = try Data(contentsOf: URL(fileURLWithPath: file))
    let wire = String(decoding: bytes, as: UTF8.self)
      .replacing("\r\n", with: "\n").replacing("\n", with: "\r\n")
      .replacing("A########", with: "A1")
    var limits = IMAPLimits()
    limits.malformedResponses = 0
    var session = IMAPSession(limits: limits)
    if !file.contains("greeting") {
      _ = try Wire.events(Array(Wire.greeting.utf8), into: &session)
      _ = session.send(.noop)
    }
    let events = try Wire.events(Array(wire.utf8), pieces: pieces, into: &session)
    #expect(!session.hasUnreadBytes)
    let messages = events.count { event in
      if case .untagged(.fetch(let message)) = event {
        message.malformedItems.isEmpty
      } else {
        false
      }
    }
    #expect(messages >= Self.fetchLines(wire))
  }

  /// How many lines start a FETCH response; one inside a message's text is counted too, and there is
  /// none in the corpus.
  private static func fetchLines(_ wire: String) -> Int {
    wire.components(separatedBy: "\r\n").count { line in
      let words = line.split(separator: " ", maxSplits: 3)
      return words.count > 2 && words[0] == "*" && Int(words[1]) != nil
        && words[2].uppercased() == "FETCH"
    }
  }
}
