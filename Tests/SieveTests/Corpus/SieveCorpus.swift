import Bytes
import Foundation
import MIME
import Sieve
import TestSupport
import Testing

/// A case of the corpus: a script, a message, and what others' implementations make of it.
struct SieveCorpusCase: Sendable, CustomTestStringConvertible {
  let id: String
  let kind: String
  let entry: JSONValue

  var testDescription: String { id }

  static let folder = RepositoryRoot.corpus("sieve")

  /// All cases of the manifest; empty where the corpus is absent.
  static let all: [SieveCorpusCase] = {
    guard let folder, let manifest = file("manifest.json"),
      let json = try? JSONReader.parse(manifest.span), let cases = json["cases"]?.arrayValue
    else { return [] }
    return cases.compactMap { entry in
      guard let id = entry["id"]?.stringValue, let kind = entry["kind"]?.stringValue else {
        return nil
      }
      return SieveCorpusCase(id: id, kind: kind, entry: entry)
    }
  }()

  /// The bytes of a file of the corpus.
  static func file(_ name: String) -> [UInt8]? {
    folder.flatMap { FileManager.default.contents(atPath: "\($0)/\(name)") }.map { [UInt8]($0) }
  }

  func text(_ key: String) -> String? { entry[key]?.stringValue }

  var expected: JSONValue { entry["expected"] ?? .null }

  /// The compiled script of the file that `entry` names.
  func compile(_ entry: JSONValue) throws -> Script {
    let source = try #require(entry["script"]?.stringValue.flatMap { Self.file($0) })
    return try Script(
      compiling: source,
      scripts: CorpusScripts(
        personal: text("include_personal"),
        global: text("include_global")
      )
    )
  }

  var envelope: ScriptEnvelope {
    let from = text("envelope_from") ?? ""
    return ScriptEnvelope(from: from == "<>" ? "" : from, to: text("envelope_to") ?? "")
  }

  /// What the script makes of the message.
  func outcome() throws -> ScriptOutcome {
    let message = try #require(text("message").flatMap { Self.file($0) })
    return try run(try compile(entry), message, envelope)
  }

  /// What a script makes of a message.
  func run(
    _ script: Script,
    _ message: [UInt8],
    _ envelope: ScriptEnvelope
  ) throws -> ScriptOutcome {
    var limits = SieveLimits()
    limits.redirects = 100
    limits.actions = 200
    let parsed = MessageParser.parse(LineEnds.canonical(message))
    let result = script.run(
      on: ScriptMessage(parsed),
      envelope: envelope,
      host: host(for: parsed),
      limits: limits
    )
    guard case .finished(let outcome) = result else { throw CorpusProblem(text: "\(result)") }
    return outcome
  }
}

extension SieveCorpusCase {
  /// The host of a run.
  ///
  /// The suites that set no envelope let the recipient be whom the message is addressed to; the
  /// manifest has another one there, so that the addresses in To are known as the user's.
  private func host(for message: ParsedMessage) -> TestHost {
    var host = TestHost()
    if text("envelope_to") == "recipient@example.com" {
      host.ownAddresses = Set((message.header.addresses("To") ?? []).map { $0.email.lowercased() })
    }
    return host
  }
}

/// What a case of the corpus came to instead of what it should.
struct CorpusProblem: Error {
  let text: String
}

/// The scripts of the corpus that others include.
private struct CorpusScripts: ScriptSource {
  let personal: String?
  let global: String?

  func text(of script: IncludedScript) -> [UInt8]? {
    guard let folder = script.location == .personal ? personal : global else { return nil }
    return SieveCorpusCase.file("\(folder)/\(script.name).sieve")
  }
}
