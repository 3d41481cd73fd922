/// Something wrong in a script, and where.
package struct ScriptError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The name of the included script that is wrong; nil for the script itself.
  package var script: String?
  /// The line, counted from 1.
  package var line: Int
  /// The character in the line, counted from 1.
  package var column: Int
  /// What is wrong, in a sentence without a final stop.
  package var message: String

  /// An error of a place and a message.
  package init(script: String? = nil, line: Int, column: Int, message: String) {
    self.script = script
    self.line = line
    self.column = column
    self.message = message
  }

  /// `line:column: message`, before it the name of an included script.
  package var description: String {
    let place = "\(line):\(column): \(message)"
    guard let script else { return place }
    return "\(script):\(place)"
  }
}

/// A script that can't be compiled: everything that is wrong with it.
package struct ScriptErrors: Error, Hashable, Sendable {
  /// The errors in the order of the script; at least one.
  package let errors: [ScriptError]

  /// At least one error.
  package init(_ errors: [ScriptError]) { self.errors = errors }
}

/// Something wrong at an offset of the script that is being compiled.
struct Fault: Error {
  let offset: Int
  let message: String
  /// Whether it is about an extension that is not there, which `ihave` may put off (RFC 5463 §4).
  let isMissingExtension: Bool

  init(at offset: Int, _ message: String, isMissingExtension: Bool = false) {
    self.offset = offset
    self.message = message
    self.isMissingExtension = isMissingExtension
  }
}
