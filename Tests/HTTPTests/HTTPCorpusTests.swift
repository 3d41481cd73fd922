import FoundationEssentials
import HTTP
import TestSupport
import Testing

/// Requests gathered from the test suites of other servers, with what each of them must come to.
///
/// - accept: the request is well formed.
/// - reject: it must not be processed; waiting for more, and then closing, will do.
/// - either: RFC 9112 leaves the choice.
/// - wait: it is not whole, so it must not be processed.
@Suite("HTTP corpus", .enabled(if: HTTPCorpus.exists), .timeLimit(.minutes(6)))
struct HTTPCorpusTests {
  @Test(arguments: HTTPCorpus.cases)
  func `a case comes to what its manifest says`(entry: HTTPCorpus.Case) throws {
    let wire = try HTTPCorpus.bytes(of: entry)
    for trace in [Trace(wire), Trace(wire, piece: 1)] {
      switch entry.serverExpected {
      case "accept":
        #expect(trace.whole == 1 && trace.failure == nil, "\(trace)")
      case "reject":
        let unknown = trace.requests.contains { HTTPCorpus.isUnknownMethod($0.line) }
        #expect(trace.whole == 0 || unknown, "\(trace)")
      case "wait":
        #expect(trace.whole == 0, "\(trace)")
      case "either":
        #expect(trace.whole <= 1, "\(trace)")
      default:
        Issue.record("The manifest names an unknown outcome: \(entry.serverExpected)")
      }
    }
  }
}

/// The corpus, beside the package.
enum HTTPCorpus {
  struct Case: Decodable, Sendable, CustomTestStringConvertible {
    var id: String
    var request: String
    var serverExpected: String

    enum CodingKeys: String, CodingKey {
      case id, request
      case serverExpected = "server_expected"
    }

    var testDescription: String { id }
  }

  private struct Manifest: Decodable {
    var cases: [Case]
  }

  private static let folder = RepositoryRoot.corpus("http").map { URL(filePath: $0) }

  static let exists = folder != nil

  static let cases: [Case] = {
    guard let folder else { return [] }
    do {
      let data = try Data(contentsOf: folder.appending(path: "manifest.json"))
      return try JSONDecoder().decode(Manifest.self, from: data).cases
    } catch {
      Issue.record(error, "The manifest cannot be read.")
      return []
    }
  }()

  static func bytes(of entry: Case) throws -> [UInt8] {
    let folder = try #require(folder)
    return Array(try Data(contentsOf: folder.appending(path: entry.request)))
  }

  /// Whether a request has a method that the suites call unknown; here the handler refuses those.
  static func isUnknownMethod(_ line: String) -> Bool {
    line.hasPrefix("MKCOLA ") || line.hasPrefix("ANNOUNCE ")
  }
}
