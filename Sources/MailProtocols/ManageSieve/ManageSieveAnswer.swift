import Bytes

/// One piece of a line that a server sends (RFC 5804 §4).
package enum ManageSieveToken: Hashable, Sendable {
  /// A word such as `ACTIVE`, or a number.
  case atom(String)
  /// A quoted string or a literal.
  case string([UInt8])
  /// What stands in parentheses.
  case group([ManageSieveToken])

  /// The text of a string.
  package var text: String? {
    if case .string(let bytes) = self { String(utf8: bytes.span) } else { nil }
  }
}

/// A response code (RFC 5804 §1.3), by which a refusal can be told from another; an open set.
///
///     S: NO (QUOTA/MAXSIZE) "Script is too large"
///     S: BYE (REFERRAL "sieve://sieve.example.com") "Try there"
package struct ManageSieveCode: Hashable, Sendable {
  /// The name in upper case, such as `QUOTA/MAXSIZE`.
  package let name: String
  /// What stands behind it: the URL of a referral, the data of SASL.
  package let argument: [UInt8]?

  /// A code by its name in any case.
  package init(_ name: String, argument: [UInt8]? = nil) {
    self.name = name.uppercased()
    self.argument = argument
  }

  /// Whether it is `kind`, or a finer one of it (RFC 5804 §1.3: `QUOTA/MAXSIZE` is a `QUOTA`).
  package func isKind(of kind: String) -> Bool { name == kind || name.hasPrefix("\(kind)/") }
}

/// A server's whole answer: lines, and the status that ends it.
package struct ManageSieveAnswer: Hashable, Sendable {
  /// How an answer ends.
  package enum Status: Hashable, Sendable {
    case ok, no
    /// The server closes the connection.
    case bye
  }

  package var status: Status
  package var code: ManageSieveCode?
  /// The text for people.
  package var text: String
  /// The lines before the status.
  package var lines: [[ManageSieveToken]] = []

  /// An answer of its parts.
  package init(_ status: Status, code: ManageSieveCode? = nil, text: String = "") {
    self.status = status
    self.code = code
    self.text = text
  }

  /// The answer that `line` ends; nil where it is no status.
  init?(_ line: [ManageSieveToken]) {
    guard case .atom(let word)? = line.first else { return nil }
    switch word.uppercased() {
    case "OK": status = .ok
    case "NO": status = .no
    case "BYE": status = .bye
    default: return nil
    }
    text = ""
    for token in line.dropFirst() {
      switch token {
      case .group(let parts):
        guard case .atom(let name)? = parts.first else { continue }
        var argument: [UInt8]?
        if parts.count > 1, case .string(let bytes) = parts[1] { argument = bytes }
        code = ManageSieveCode(name, argument: argument)
      case .string, .atom: text = token.text ?? text
      }
    }
  }

  /// The same with every occurrence of one of `secrets` struck out of the text.
  func redacting(_ secrets: [String]) -> Self {
    var copy = self
    for secret in secrets where !secret.isEmpty {
      copy.text = copy.text.replacing(secret, with: "[redacted]")
    }
    return copy
  }
}
