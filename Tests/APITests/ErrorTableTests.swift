import Foundation
import HTTP
import Model
import TestSupport
import Testing

@testable import API

@Suite("docs/errors.md") struct ErrorTableTests {
  private struct Row: Hashable {
    var code: String
    var status: Int
    var origin: String
  }

  private func document() throws -> [Substring] {
    try String(contentsOfFile: RepositoryRoot.file("docs/errors.md"), encoding: .utf8)
      .split(separator: "\n")
  }

  @Test func `its table says what the service answers`() throws {
    var rows: Set<Row> = []
    for line in try document() where line.hasPrefix("| `") {
      let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
      guard cells.count == 4, let status = Int(cells[1]) else { continue }
      let code = cells[0].trimmingCharacters(in: CharacterSet(charactersIn: "`"))
      rows.insert(Row(code: code, status: status, origin: cells[2]))
    }
    let wanted = ProblemTable.entries.map {
      Row(code: $0.code.rawValue, status: $0.status.rawValue, origin: $0.origin.rawValue)
    }
    #expect(rows == Set(wanted))
  }

  @Test func `it explains every fault code`() throws {
    let text = try document()
    for code in FaultCode.allCases {
      #expect(text.contains { $0.hasPrefix("| `\(code.rawValue)` |") }, "\(code.rawValue)")
    }
  }
}
