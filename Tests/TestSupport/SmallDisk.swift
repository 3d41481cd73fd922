import Foundation

/// A file system of its own for one folder, which a test can fill to the last byte and make room on again.
package final class SmallDisk: Sendable {
  private let path: String

  /// Whether one can be made: as root, or by sudo, where the kernel lets us mount.
  package static let isPossible: Bool = {
    guard let folder = try? TemporaryDirectory("mount"),
      let disk = try? SmallDisk(at: folder.path, megabytes: 1)
    else { return false }
    disk.remove()
    return true
  }()

  /// Makes the folder `path`, which must exist, one of so many megabytes.
  package init(at path: String, megabytes: Int) throws {
    self.path = path
    let result = try Command.runBlocking(
      Command.asRoot(
        ["mount", "-t", "tmpfs", "-o", "size=\(megabytes)m,mode=0755", "tmpfs", path]
      )
    )
    guard result.status == 0 else { throw TestSupportError.failed("mount: \(result.output)") }
    ExitCleanup.add { [weak self] in self?.remove() }
  }

  deinit { remove() }

  private var filler: String { "\(path)/filler" }

  /// Leaves no byte free.
  package func fill() async throws {
    _ = try await Command.status(
      Command.asRoot([
        "dd", "if=/dev/zero", "of=\(filler)", "bs=4k", "oflag=append", "conv=notrunc",
      ])
    )
  }

  /// Makes room again.
  package func free() async throws {
    try await Command.run(Command.asRoot(["rm", "-f", filler]))
  }

  /// Takes it away, with all that is on it.
  package func remove() {
    // It may be gone already.
    _ = try? Command.runBlocking(Command.asRoot(["umount", "-l", path]))
  }
}
