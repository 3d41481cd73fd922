import Bytes
import Foundation
import MIME
import TestSupport
import Testing

/// A case of the corpus: a message, and what others' parsers make of it.
struct CorpusCase: Sendable, CustomTestStringConvertible {
  let id: String
  let kind: String
  let format: String
  let message: String
  let expected: String?

  var testDescription: String { id }

  /// Whether the corpus is there to be read.
  static let isPresent = RepositoryRoot.corpus("mime") != nil

  /// All cases of the manifest; empty where the corpus is absent.
  static let all: [CorpusCase] = {
    guard let folder = RepositoryRoot.corpus("mime"),
      let manifest = json("\(folder)/manifest.json"), let cases = manifest["cases"]?.arrayValue
    else { return [] }
    return cases.compactMap { entry in
      guard let id = entry["id"]?.stringValue, let kind = entry["kind"]?.stringValue,
        let format = entry["format"]?.stringValue, let message = entry["message"]?.stringValue
      else { return nil }
      return CorpusCase(
        id: id,
        kind: kind,
        format: format,
        message: "\(folder)/\(message)",
        expected: (entry["expected"]?.stringValue).map { "\(folder)/\($0)" }
      )
    }
  }()

  /// The cases whose expectation has this format.
  static func cases(_ format: String) -> [CorpusCase] {
    all.filter { $0.format == format && $0.expected != nil && $0.kind != "robust" }
  }

  /// The message.
  var bytes: [UInt8] { FileManager.default.contents(atPath: message).map { [UInt8]($0) } ?? [] }

  /// What is expected of it.
  var expectation: JSONValue? { expected.flatMap { Self.json($0) } }

  private static func json(_ path: String) -> JSONValue? {
    guard let data = FileManager.default.contents(atPath: path) else { return nil }
    let bytes = [UInt8](data)
    return try? JSONReader.parse(bytes.span)
  }
}
