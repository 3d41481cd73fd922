import Foundation

/// One line on standard error that says how far a command is; only where that is a terminal.
final class Progress {
  private let isShown = isatty(STDERR_FILENO) == 1
  private let name: String
  private let total: Int64?
  private var done: Int64
  private var shownAt: ContinuousClock.Instant?

  init(_ name: String, from done: Int64 = 0, of total: Int64?) {
    self.name = name
    self.done = done
    self.total = total
  }

  /// Counts bytes.
  func add(_ count: Int) {
    done += Int64(count)
    guard isShown else { return }
    if let shownAt, ContinuousClock.now - shownAt < .milliseconds(200) { return }
    shownAt = .now
    var text = "\r\(name): \(Self.size(done))"
    if let total, total > 0 { text += " of \(Self.size(total)), \(done * 100 / total) %" }
    FileHandle.standardError.write(Data((text + "\u{1B}[K").utf8))
  }

  /// Takes the line away.
  func end() {
    guard isShown, shownAt != nil else { return }
    FileHandle.standardError.write(Data("\r\u{1B}[K".utf8))
  }

  private static func size(_ bytes: Int64) -> String {
    let tenths = bytes / 100_000
    return "\(tenths / 10).\(tenths % 10) MB"
  }
}
