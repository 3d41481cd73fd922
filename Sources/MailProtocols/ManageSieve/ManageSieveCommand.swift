import Bytes

/// A command with all its arguments, ready to be sent; its description never shows a secret.
package struct ManageSieveCommand: Sendable {
  /// What its answer changes.
  enum Kind: Hashable, Sendable {
    case plain, capability, startTLS, authenticate, logout
  }

  /// The verb, such as `PUTSCRIPT`.
  package let name: String
  let bytes: [UInt8]
  let kind: Kind
  /// What must not show in an error.
  let secrets: [String]

  private init(
    _ name: String,
    _ kind: Kind = .plain,
    _ arguments: [[UInt8]] = [],
    secrets: [String] = []
  ) {
    self.name = name
    self.kind = kind
    self.secrets = secrets
    var bytes = Array(name.utf8)
    for argument in arguments { bytes += [.space] + argument }
    self.bytes = bytes + [.cr, .lf]
  }
}

// MARK: - The commands

extension ManageSieveCommand {
  /// Asks what the server can do (RFC 5804 §2.4).
  package static var capability: Self { Self("CAPABILITY", .capability) }
  /// The upgrade to TLS (RFC 5804 §2.2).
  package static var startTLS: Self { Self("STARTTLS", .startTLS) }
  /// The end (RFC 5804 §2.3).
  package static var logout: Self { Self("LOGOUT", .logout) }
  /// Nothing (RFC 5804 §2.13).
  package static var noop: Self { Self("NOOP") }
  /// The names of all scripts, and which of them is active (RFC 5804 §2.7).
  package static var listScripts: Self { Self("LISTSCRIPTS") }

  /// Asks whether a script of `size` bytes could be stored (RFC 5804 §2.5).
  package static func haveSpace(
    _ name: String,
    size: Int
  ) throws(ManageSieveInputError) -> Self {
    Self("HAVESPACE", .plain, [try scriptName(name), Array("\(size)".utf8)])
  }

  /// Has the server look at a script without storing it (RFC 5804 §2.12).
  package static func checkScript(
    _ script: [UInt8],
    limits: ManageSieveLimits = ManageSieveLimits()
  ) throws(ManageSieveInputError) -> Self {
    Self("CHECKSCRIPT", .plain, [try content(script, limits)])
  }

  /// Stores a script, in the place of one of the same name (RFC 5804 §2.6).
  package static func putScript(
    _ name: String,
    _ script: [UInt8],
    limits: ManageSieveLimits = ManageSieveLimits()
  ) throws(ManageSieveInputError) -> Self {
    Self("PUTSCRIPT", .plain, [try scriptName(name), try content(script, limits)])
  }

  /// Makes a script the active one, and no other; nil leaves none active (RFC 5804 §2.8).
  package static func setActive(_ name: String?) throws(ManageSieveInputError) -> Self {
    guard let name else { return Self("SETACTIVE", .plain, [[.quote, .quote]]) }
    return Self("SETACTIVE", .plain, [try scriptName(name)])
  }

  /// Asks for a script's contents (RFC 5804 §2.9).
  package static func getScript(_ name: String) throws(ManageSieveInputError) -> Self {
    Self("GETSCRIPT", .plain, [try scriptName(name)])
  }

  /// Deletes a script, unless it is the active one (RFC 5804 §2.10).
  package static func deleteScript(_ name: String) throws(ManageSieveInputError) -> Self {
    Self("DELETESCRIPT", .plain, [try scriptName(name)])
  }

  /// Gives a script another name; an active one stays so (RFC 5804 §2.11).
  package static func renameScript(
    _ name: String,
    to other: String
  ) throws(ManageSieveInputError) -> Self {
    Self("RENAMESCRIPT", .plain, [try scriptName(name), try scriptName(other)])
  }

  /// A login by a SASL mechanism, with the initial response where there is one (RFC 5804 §2.1).
  package static func authenticate(
    _ mechanism: SASLMechanism,
    initialResponse: [UInt8]?,
    secrets: [String]
  ) -> Self {
    let text = initialResponse.map { Base64.standard.encode($0.span) }
    let arguments = [Array(mechanism.rawValue.utf8)] + (text.map { [$0] } ?? [])
    return Self(
      "AUTHENTICATE",
      .authenticate,
      arguments.map(string),
      secrets: secrets + (text.map { [String(utf8: $0.span)] } ?? [])
    )
  }

  // MARK: Strings

  /// The longest quoted string (RFC 5804 §4).
  private static let longestQuoted = 1024

  /// Bytes as a quoted string where they are short and plain, or as a literal, which needs no leave.
  ///
  /// Quotes, backslashes and all beyond ASCII may stand in a quoted string, and Cyrus 3.6 does not take
  /// them there.
  static func string(_ bytes: [UInt8]) -> [UInt8] {
    let isPlain = bytes.allSatisfy {
      (0x20..<0x7F).contains($0) && $0 != .quote && $0 != .backslash
    }
    guard bytes.count <= longestQuoted, isPlain else { return literal(bytes) }
    return [.quote] + bytes + [.quote]
  }

  private static func literal(_ bytes: [UInt8]) -> [UInt8] {
    Array("{\(bytes.count)+}\r\n".utf8) + bytes
  }

  private static func content(
    _ script: [UInt8],
    _ limits: ManageSieveLimits
  ) throws(ManageSieveInputError) -> [UInt8] {
    guard script.count <= limits.scriptBytes else { throw .scriptTooLong }
    return literal(script)
  }

  private static func scriptName(_ name: String) throws(ManageSieveInputError) -> [UInt8] {
    guard isScriptName(name) else { throw .scriptName }
    return string(Array(name.utf8))
  }

  /// Whether a script may have this name (RFC 5804 §1.6).
  package static func isScriptName(_ name: String) -> Bool {
    (1...128).contains(name.unicodeScalars.count) && name.utf8.count <= 512
      && !name.unicodeScalars.contains { scalar in
        switch scalar.value {
        case 0x00...0x1F, 0x7F...0x9F, 0x2028, 0x2029: true
        default: false
        }
      }
  }
}

extension ManageSieveCommand: CustomStringConvertible, CustomReflectable {
  /// The verb alone.
  package var description: String { name }
  package var customMirror: Mirror { Mirror(self, children: ["name": name]) }
}
