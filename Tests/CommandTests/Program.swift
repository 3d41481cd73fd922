import Foundation
import TestSupport

/// The programs that were built with these tests.
enum Program {
  static let restante = path("restante")
  static let backends = path("backends")

  /// They stand in the folder of the program that runs the tests.
  private static func path(_ name: String) -> String {
    URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
      .deletingLastPathComponent().appendingPathComponent(name).path
  }

  /// Runs `restante`, whatever its exit status, with nothing of ours in its environment.
  static func run(
    _ arguments: [String],
    environment: [String: String] = [:],
    input: [UInt8] = []
  ) async throws -> Command.Result {
    try await Command.status(clean(environment) + [restante] + arguments, input: input)
  }

  /// A command line's beginning that hides the settings which whoever runs the tests may have.
  static func clean(_ environment: [String: String]) -> [String] {
    let settings = [
      "RESTANTE_LISTEN", "RESTANTE_DATA", "DATABASE_URL", "RESTANTE_KEY_FILE", "RESTANTE_CA_FILE",
      "RESTANTE_ALLOW_NETWORK",
    ]
    return ["env"] + settings.flatMap { ["-u", $0] } + environment.map { "\($0)=\($1)" }
  }
}
