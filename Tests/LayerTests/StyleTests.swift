import TestSupport
import Testing

/// What the formatter does not check.
@Suite("House style") struct StyleTests {
  @Test func `nothing is public: the package ships no library`() throws {
    for file in try SourceFile.all("Sources", "Tests", "Benchmarks") {
      for (index, line) in file.code.enumerated() {
        let words = line.split(separator: " ")
        #expect(!words.contains("public"), "\(file.place(index))")
      }
    }
  }

  @Test func `a file has at most 600 lines`() throws {
    for file in try SourceFile.all("Sources", "Tests", "Benchmarks") {
      #expect(file.lines.count <= 600, "\(file.path) has \(file.lines.count)")
    }
  }

  @Test(arguments: ["try!", "fatalError(", "as!"])
  func `nothing in the sources ends the process on bad input`(_ form: String) throws {
    for file in try SourceFile.all("Sources") {
      for (index, line) in file.code.enumerated() where line.contains(form) {
        Issue.record("\(file.place(index)): \(form)")
      }
    }
  }

  @Test func `no closure is the value of a Mutex itself, which would wrap it anew at each access`()
    throws
  {
    for file in try SourceFile.all("Sources", "Tests") {
      for (index, line) in file.code.enumerated()
      where line.contains("Mutex<(") && line.contains("->") {
        Issue.record("\(file.place(index)): let it be a member of a struct")
      }
    }
  }

  @Test func `the corpora beside the package are known to one file`() throws {
    let knows = ["Tests/TestSupport/RepositoryRoot.swift", "Tests/LayerTests/StyleTests.swift"]
    for file in try SourceFile.all("Sources", "Tests", "Benchmarks")
    where !knows.contains(file.path) {
      for (index, line) in file.lines.enumerated() where line.contains("shared/") {
        Issue.record("\(file.place(index)): look a corpus up by RepositoryRoot.corpus(_:)")
      }
    }
  }

  @Test func `a type or a function that other targets see says what it is`() throws {
    for file in try SourceFile.all("Sources") {
      for (index, line) in file.code.enumerated() where Self.needsComment(line) {
        var above = index - 1
        while above >= 0, file.lines[above].trimmed.hasPrefix("@") { above -= 1 }
        let isDocumented = above >= 0 && file.lines[above].trimmed.hasPrefix("///")
        #expect(isDocumented, "\(file.place(index)): no doc comment: \(line.trimmed)")
      }
    }
  }

  /// Functions that a protocol demands and documents.
  private static let witnesses: Set<Substring> = [
    "<", "==", "hash", "encode", "enqueue", "next", "makeAsyncIterator", "makeIterator", "run",
    "validate", "read", "write", "close", "encodeArray", "respond", "protocolError",
  ]

  /// Whether a line declares a `package` type or function that no protocol documents already.
  ///
  /// Properties and initialisers are left to the reader of the change: `name: String` needs no words.
  static func needsComment(_ line: String) -> Bool {
    let words = line.split { $0 == " " || $0 == "(" || $0 == ":" }
      .drop { $0.hasPrefix("@") }
    guard words.first == "package" else { return false }
    let declaration = words.dropFirst().drop { Self.modifiers.contains($0) }
    guard let keyword = declaration.first else { return false }
    if ["struct", "enum", "class", "actor", "protocol"].contains(keyword) { return true }
    guard keyword == "func", let name = declaration.dropFirst().first else { return false }
    let isOperator = !name.contains { $0.isLetter }
    return !isOperator && !Self.witnesses.contains(name.prefix { $0 != "<" })
  }

  private static let modifiers: Set<Substring> = [
    "static", "final", "mutating", "consuming", "borrowing", "indirect", "nonisolated", "override",
  ]

  @Test(arguments: [
    ("package struct A {", true), ("  package static func make() -> A {", true),
    ("@safe package final class B: C {", true), ("  package var name: String", false),
    ("package import Bytes", false), ("  package static func < (a: A, b: A) -> Bool {", false),
    ("  package init() {}", false), ("struct Inner {", false),
  ])
  func `a declaration that needs a comment is recognised`(_ line: String, _ needs: Bool) {
    #expect(Self.needsComment(line) == needs)
  }
}

extension String {
  /// The line without the blanks around it.
  fileprivate var trimmed: Substring {
    self[...].drop { $0 == " " }
  }
}
