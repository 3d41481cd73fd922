import Foundation

/// How often the program is killed, in all tests together: `make soak` asks for more.
enum Kills {
  private static let total =
    ProcessInfo.processInfo.environment["RESTANTE_KILLS"].flatMap(Int.init) ?? 20

  /// The kills of one test, which has so many tenths of all.
  static func share(tenths: Int) -> Int { max(total * tenths / 10, 1) }
}
