import Foundation
import Model
import Testing

@testable import API

@Suite("openapi.yaml") struct OpenAPITests {
  private let lines: [Substring]

  init() {
    lines = String(decoding: OpenAPI.document, as: UTF8.self).split(
      separator: "\n",
      omittingEmptySubsequences: false
    )
  }

  /// The lines of a top-level section.
  private func section(_ name: String) -> ArraySlice<Substring> {
    guard let start = lines.firstIndex(of: "\(name):") else { return [] }
    let rest = lines[(start + 1)...]
    let end = rest.firstIndex { !$0.isEmpty && !$0.hasPrefix(" ") } ?? rest.endIndex
    return rest[..<end]
  }

  /// `METHOD path` of every operation.
  private var operations: Set<String> {
    let methods = ["get", "put", "post", "patch", "delete", "head", "options", "trace"]
    var path = ""
    var found: Set<String> = []
    for line in section("paths") {
      if line.hasPrefix("  /") {
        path = line.trimmingCharacters(in: .whitespaces)
        path.removeLast()
      } else if line.hasPrefix("    "), !line.hasPrefix("     "), line.hasSuffix(":") {
        let word = line.trimmingCharacters(in: .whitespaces).dropLast()
        if methods.contains(String(word)) { found.insert("\(word.uppercased()) \(path)") }
      }
    }
    return found
  }

  /// The items of the `enum` of a schema, written in either of YAML's ways.
  private func values(ofSchema name: String) -> [String] {
    guard let start = lines.firstIndex(of: "    \(name):") else { return [] }
    var values: [String] = []
    for line in lines[(start + 1)...] {
      if !line.hasPrefix("      ") { break }
      let text = line.trimmingCharacters(in: .whitespaces)
      if text.hasPrefix("- ") { values.append(String(text.dropFirst(2))) }
      if text.hasPrefix("enum: [") {
        values += text.dropFirst(7).dropLast().split(separator: ",").map {
          $0.trimmingCharacters(in: .whitespaces)
        }
      }
    }
    return values
  }

  @Test func `it describes the routes of the router, each and no other`() {
    let routes = Set(Route.all.map { "\($0.method) \($0.pattern)" })
    #expect(routes.count == Route.all.count, "a route stands twice")
    #expect(operations.subtracting(routes) == [], "described, but not routed")
    #expect(routes.subtracting(operations) == [], "routed, but not described")
  }

  @Test func `each operation has an id of its own`() {
    let ids = section("paths").filter { $0.hasPrefix("      operationId: ") }
    #expect(ids.count == operations.count)
    #expect(Set(ids).count == ids.count)
  }

  @Test func `it lists the problem codes of the table, each and no other`() {
    let listed = values(ofSchema: "ProblemCode")
    #expect(Set(listed) == Set(ProblemTable.entries.map(\.code.rawValue)))
    #expect(Set(listed).count == listed.count)
  }

  @Test func `it lists the fault codes`() {
    #expect(Set(values(ofSchema: "FaultCode")) == Set(FaultCode.allCases.map(\.rawValue)))
  }

  @Test(arguments: [
    ("Account", AccountJSON.members), ("Mailbox", MailboxJSON.members),
    ("Message", MessageMembers.names), ("Submission", SubmissionJSON.members),
    ("Operation", OperationJSON.members), ("Token", TokenJSON.members),
    ("Job", JobJSON.members), ("Thread", ThreadJSON.members), ("Rule", RuleJSON.members),
    ("AddressListing", AddressListJSON.members), ("Script", ScriptJSON.members),
  ])
  func `a resource's schema has the members that are written`(schema: String, members: [String]) {
    var properties = Set(properties(ofSchema: schema))
    properties.remove("token")  // The secret, which only the answer that makes it has.
    #expect(properties == Set(members))
  }

  private func properties(ofSchema name: String) -> [String] {
    guard let start = lines.firstIndex(of: "    \(name):") else { return [] }
    var names: [String] = []
    for line in lines[(start + 1)...] {
      if !line.hasPrefix("      ") { break }
      guard line.hasPrefix("        "), !line.hasPrefix("         "),
        let colon = line.firstIndex(of: ":")
      else { continue }
      names.append(line[..<colon].trimmingCharacters(in: .whitespaces))
    }
    return names
  }

  @Test func `every reference names a component that stands in it`() throws {
    let pattern = #/#\/components\/(\w+)\/([\w-]+)/#
    var parent = ""
    var defined: Set<String> = []
    for line in section("components") {
      guard let colon = line.firstIndex(of: ":") else { continue }
      let name = line[..<colon].trimmingCharacters(in: .whitespaces)
      if line.hasPrefix("  "), !line.hasPrefix("   ") { parent = name }
      if line.hasPrefix("    "), !line.hasPrefix("     ") { defined.insert("\(parent)/\(name)") }
    }
    for line in lines {
      for match in line.matches(of: pattern) {
        #expect(defined.contains("\(match.1)/\(match.2)"), "\(line)")
      }
    }
  }
}
