import Foundation
import TestSupport

/// A Swift file of the package, in lines.
struct SourceFile {
  /// The path from the root of the package, such as `Sources/Net/EventLoop.swift`.
  let path: String
  let lines: [String]

  /// The target of a file in `Sources`.
  var target: String { path.split(separator: "/").dropFirst().first.map(String.init) ?? "" }

  /// `path:line` of the line with this index, as compilers print it.
  func place(_ index: Int) -> String { "\(path):\(index + 1)" }

  /// The lines without strings, comments and raw identifiers; their number stays the same.
  ///
  /// Good enough for a search for words: a `"""` text keeps no line, an interpolation is cut with its
  /// string.
  var code: [String] {
    var isText = false
    return lines.map { line in
      let marks = line.components(separatedBy: "\"\"\"").count - 1
      defer { if marks % 2 == 1 { isText.toggle() } }
      guard !isText, marks == 0 else { return "" }
      let bare = line.replacing(#/"(\\.|[^"\\])*"/#, with: "\"\"")
        .replacing(#/`[^`]*`/#, with: "`name`")
      return bare.range(of: "//").map { String(bare[..<$0.lowerBound]) } ?? bare
    }
  }

  /// Every Swift file below the folders, sorted by path.
  static func all(_ folders: String...) throws -> [SourceFile] {
    try folders.flatMap { folder in
      let walk = FileManager.default.enumerator(atPath: RepositoryRoot.file(folder))
      let names = (walk?.compactMap { $0 as? String } ?? []).filter { $0.hasSuffix(".swift") }
      return try names.sorted().map { name in
        let text = try String(
          contentsOfFile: RepositoryRoot.file("\(folder)/\(name)"),
          encoding: .utf8
        )
        return SourceFile(
          path: "\(folder)/\(name)",
          lines: text.components(separatedBy: "\n")
        )
      }
    }
  }
}
