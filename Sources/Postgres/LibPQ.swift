import CPostgres

/// What libpq says, in Swift's types.
enum LibPQ {
  /// The last error of a connection, on one line; it may name hosts and users, never a password.
  static func message(_ handle: OpaquePointer) -> String {
    guard let text = unsafe PQerrorMessage(handle) else { return "" }
    return unsafe oneLine(String(cString: text))
  }

  /// A field of an error.
  static func field(_ result: OpaquePointer, _ code: Character) -> String? {
    guard let ascii = code.asciiValue,
      let text = unsafe PQresultErrorField(result, Int32(ascii))
    else { return nil }
    return unsafe String(cString: text)
  }

  /// The error that a failed result stands for.
  static func error(_ result: OpaquePointer) -> PostgresError {
    let message = unsafe field(result, "M") ?? "no message"
    // Without a code the error is libpq's own: the connection broke. FATAL means that it will.
    guard let state = unsafe field(result, "C"), !isFatal(severity: unsafe field(result, "V"))
    else {
      return .connectionLost(reason: oneLine(message))
    }
    return .server(
      sqlState: state,
      message: withoutValues(message, sqlState: state),
      constraint: unsafe field(result, "n")
    )
  }

  private static func isFatal(severity: String?) -> Bool {
    severity == "FATAL" || severity == "PANIC"
  }

  /// The message without the value that data exceptions quote, which may be a bound one.
  static func withoutValues(_ message: String, sqlState: String) -> String {
    guard sqlState.hasPrefix("22"), let first = message.firstIndex(of: "\""),
      let last = message.lastIndex(of: "\"")
    else { return message }
    return message[..<first] + "\"…\"" + message[last...].dropFirst()
  }

  static func oneLine(_ text: String) -> String {
    text.split { $0 == "\n" || $0 == "\t" }.joined(separator: " ")
  }
}
