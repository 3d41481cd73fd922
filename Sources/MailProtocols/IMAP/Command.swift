import Bytes

/// A command before it has a tag: its words, and the literals between them.
///
///     C: A7 APPEND "Sent" (\Seen) {310}
///     S: + Ready for literal data
///     C: (310 bytes)
package struct IMAPCommand: Sendable {
  enum Part: Sendable, Equatable {
    case text([UInt8])
    /// Bytes that cannot stand in quotes.
    case literal([UInt8])
    /// A literal whose bytes the driver sends when the session asks for them.
    case streamedLiteral(count: Int)
  }

  enum Kind: Sendable, Equatable {
    case plain
    /// LOGIN.
    case login
    /// AUTHENTICATE: every challenge goes to the driver.
    case authenticate
    case idle
    /// A FETCH of one section: great literals are handed on, not dropped.
    case body
    case select(MailboxName)
    case unselect
    case logout
    case startTLS
  }

  /// The name for messages to people, such as `UID FETCH`; never an argument.
  package let name: String
  let parts: [Part]
  let kind: Kind

  init(_ name: String, kind: Kind = .plain, _ write: (inout CommandWriter) -> Void = { _ in }) {
    self.name = name
    self.kind = kind
    var writer = CommandWriter()
    writer.text(name)
    write(&writer)
    writer.finish()
    parts = writer.parts
  }
}

/// The arguments may hold a password or mail: only the name is shown.
extension IMAPCommand: CustomStringConvertible, CustomReflectable {
  package var description: String { name }
  package var customMirror: Mirror { Mirror(self, children: ["name": name]) }
}

/// Gathers the parts of a command.
struct CommandWriter {
  private(set) var parts: [IMAPCommand.Part] = []
  private var bytes: [UInt8] = []

  mutating func text(_ text: String) { bytes.append(text: text) }

  /// Writes `astring`: quoted if it can be, as a literal else.
  mutating func string(_ string: some StringProtocol) { self.string(Array(string.utf8)) }

  mutating func string(_ value: [UInt8]) {
    guard value.count <= 1000, value.allSatisfy({ $0 < 0x80 && $0 != 0 && $0 != .cr && $0 != .lf })
    else {
      finish()
      parts.append(.literal(value))
      return
    }
    bytes.append(.quote)
    for byte in value {
      if byte == .quote || byte == .backslash { bytes.append(.backslash) }
      bytes.append(byte)
    }
    bytes.append(.quote)
  }

  mutating func mailbox(_ name: MailboxName) { string(name.encoded) }

  mutating func set(_ set: UIDSet) { set.write(to: &bytes) }

  mutating func date(_ date: InternalDate) { date.write(to: &bytes) }

  mutating func flags(_ flags: [Flag]) {
    text("(\(flags.map(\.name).joined(separator: " ")))")
  }

  mutating func streamedLiteral(count: Int) {
    finish()
    parts.append(.streamedLiteral(count: count))
  }

  mutating func finish() {
    guard !bytes.isEmpty else { return }
    parts.append(.text(bytes))
    bytes = []
  }
}
