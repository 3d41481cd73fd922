import Foundation

/// Where the package stands on disk.
package enum RepositoryRoot {
  /// The absolute path of the folder that holds `Package.swift`.
  package static let path: String = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

  /// The path of `name` inside the package.
  package static func file(_ name: String) -> String { "\(path)/\(name)" }

  /// The folder of the corpus `name`, kept beside the package and not part of it; nil where a clone
  /// stands alone.
  ///
  /// ```swift
  /// @Suite("…", .enabled(if: RepositoryRoot.corpus("mail") != nil))
  /// ```
  package static func corpus(_ name: String) -> String? {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
      .appendingPathComponent("shared/corpora/\(name)").path
    return FileManager.default.fileExists(atPath: folder) ? folder : nil
  }

  /// The paths of all files below the corpus `name`, sorted; empty where a clone stands alone.
  package static func corpusFiles(_ name: String, suffix: String = "") -> [String] {
    guard let folder = corpus(name), let walk = FileManager.default.enumerator(atPath: folder)
    else { return [] }
    return walk.compactMap { $0 as? String }.filter { $0.hasSuffix(suffix) }
      .map { "\(folder)/\($0)" }
      .filter { file in
        var isDirectory: ObjCBool = false
        let exists = unsafe FileManager.default.fileExists(
          atPath: file,
          isDirectory: &isDirectory
        )
        return exists && !isDirectory.boolValue
      }.sorted()
  }
}
