import Foundation

/// A program that is run to its end.
package struct Command: Sendable {
  /// What a program left behind.
  package struct Result: Sendable {
    /// The exit status, or 128 + the signal that ended it.
    package var status: Int32
    /// Standard output and standard error, as they came.
    package var output: String
  }

  /// Runs `arguments[0]`, found by `PATH`, and waits for it without holding a thread of the pool.
  ///
  /// - Throws: `TestSupportError` with the program's output when it fails.
  @discardableResult
  package static func run(_ arguments: [String], input: [UInt8] = []) async throws -> String {
    let result = try await status(arguments, input: input)
    guard result.status == 0 else {
      let line = arguments.joined(separator: " ")
      throw TestSupportError.failed("\(line): exit \(result.status): \(result.output)")
    }
    return result.output
  }

  /// Runs a program like `run`, whatever its exit status.
  package static func status(_ arguments: [String], input: [UInt8] = []) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
      DispatchQueue.global().async {
        continuation.resume(with: Swift.Result { try runBlocking(arguments, input: input) })
      }
    }
  }

  static func runBlocking(_ arguments: [String], input: [UInt8] = []) throws -> Result {
    let scratch = "/tmp/restante-cmd-\(String(UInt64.random(in: .min ... .max), radix: 36))"
    let (inputFile, outputFile) = (scratch + ".in", scratch + ".out")
    try Data(input).write(to: URL(fileURLWithPath: inputFile))
    defer {
      unsafe unlink(inputFile)
      unsafe unlink(outputFile)
    }
    let line = ["setpriv", "--pdeathsig", "KILL", "--"] + arguments
    let pid = try Spawn.shared.start(line, input: inputFile, output: outputFile)
    var status: Int32 = 0
    while unsafe waitpid(pid, &status, 0) < 0, errno == EINTR {}
    let output = try Data(contentsOf: URL(fileURLWithPath: outputFile))
    let signal = status & 0x7F
    return Result(
      status: signal == 0 ? status >> 8 & 0xFF : 128 + signal,
      output: String(decoding: output, as: UTF8.self)
    )
  }

  /// `arguments` as root: as they are for root, else by `sudo`, which must not ask for a password.
  static func asRoot(_ arguments: [String]) -> [String] {
    getuid() == 0 ? arguments : ["sudo", "-n"] + arguments
  }
}
