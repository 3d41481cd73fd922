import Bytes

/// A command before it has a tag: its words, and the literals between them.
///
///     C: A7 APPEND "Sent" (\Seen) {310}
///     S: + Ready for literal data
///     C: (310 bytes)
package struct IMAPCommand: Sendable {
  enum Part: Sendable, Equatable {
    case text([UInt8])
    /// A mailbox's name, in UTF-8 where the server takes that.
    case mailbox(MailboxName)
    /// `CHARSET UTF-8`, except where no other is left (RFC 6855 §3).
    case charset
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
    if let quoted = Self.quoted(value, allowing8Bit: false) {
      bytes.append(contentsOf: quoted)
    } else {
      finish()
      parts.append(.literal(value))
    }
  }

  /// `value` in quotes; nil where only a literal can hold it.
  static func quoted(_ value: [UInt8], allowing8Bit: Bool) -> [UInt8]? {
    let isQuotable = value.allSatisfy { byte in
      (byte < 0x80 || allowing8Bit) && byte != 0 && byte != .cr && byte != .lf
    }
    guard value.count <= 1000, isQuotable else { return nil }
    var bytes: [UInt8] = [.quote]
    for byte in value {
      if byte == .quote || byte == .backslash { bytes.append(.backslash) }
      bytes.append(byte)
    }
    bytes.append(.quote)
    return bytes
  }

  mutating func mailbox(_ name: MailboxName) {
    finish()
    parts.append(.mailbox(name))
  }

  mutating func charset() {
    finish()
    parts.append(.charset)
  }

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
