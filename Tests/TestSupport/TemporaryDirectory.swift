import Foundation

/// A folder of a test's own under `/tmp`, removed when the test process ends.
///
/// Anybody may enter it, since servers that a test starts as root drop to other users.
package struct TemporaryDirectory: Sendable {
  /// The absolute path, without a slash at the end.
  package let path: String

  /// Makes the folder; `name` becomes part of its path, so that a left-over can be told.
  package init(_ name: String = "test") throws {
    let suffix = UInt64.random(in: .min ... .max)
    path = "/tmp/restante-\(name)-\(String(suffix, radix: 36))"
    try FileManager.default.createDirectory(
      atPath: path,
      withIntermediateDirectories: false,
      attributes: [.posixPermissions: 0o755]
    )
    ExitCleanup.add { [path] in
      // Nothing is left to tell about a folder that is gone already, or that another user filled.
      try? FileManager.default.removeItem(atPath: path)
    }
  }

  /// The path of `name` inside the folder.
  package func file(_ name: String) -> String { "\(path)/\(name)" }

  /// Writes `bytes` to the file `name` and returns its path.
  @discardableResult
  package func write(_ bytes: [UInt8], to name: String) throws -> String {
    try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
    return file(name)
  }

  /// Writes `text` to the file `name` and returns its path.
  @discardableResult
  package func write(_ text: String, to name: String) throws -> String {
    try write([UInt8](text.utf8), to: name)
  }

  /// The bytes of the file `name`.
  package func read(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: file(name))))
  }

  /// Makes the folder `name`, and those above it, and returns its path.
  @discardableResult
  package func makeDirectory(_ name: String) throws -> String {
    try FileManager.default.createDirectory(
      atPath: file(name),
      withIntermediateDirectories: true,
      attributes: [.posixPermissions: 0o755]
    )
    return file(name)
  }

  /// Removes the folder and all that is in it, before the process ends.
  package func remove() throws {
    try FileManager.default.removeItem(atPath: path)
  }
}
