/// An extended response code (RFC 2449 §8): levels of detail from the left, in upper case; an open set.
///
///     S: -ERR [SYS/TEMP] the database is away
package struct POP3ResponseCode: Hashable, Sendable {
  /// `["SYS", "TEMP"]` for `[SYS/TEMP]`.
  package let levels: [String]

  /// A code as it stands between the brackets, in any case.
  package init(_ text: String) {
    levels = text.uppercased().split(separator: "/", omittingEmptySubsequences: true)
      .map(String.init)
  }

  /// The mailbox is locked, most likely by another session (RFC 2449 §8.1.2).
  package static let inUse = Self("IN-USE")
  /// The last login is too short a time ago (RFC 2449 §8.1.1).
  package static let loginDelay = Self("LOGIN-DELAY")
  /// Something broke that is no fault of the credentials, and will be mended by itself (RFC 3206 §4).
  package static let temporaryFailure = Self("SYS/TEMP")
  /// Something broke that a person must mend (RFC 3206 §4).
  package static let permanentFailure = Self("SYS/PERM")
  /// The credentials are wrong (RFC 3206 §5).
  package static let authentication = Self("AUTH")
  /// The message is UTF-8, and `UTF8` was not said (RFC 6856 §5).
  package static let utf8 = Self("UTF8")

  /// Whether this is `other`, or a detail of it that we do not know and so ignore (RFC 2449 §8).
  package func isKind(of other: POP3ResponseCode) -> Bool {
    levels.starts(with: other.levels)
  }
}

extension POP3ResponseCode: CustomStringConvertible {
  /// The code without its brackets.
  package var description: String { levels.joined(separator: "/") }
}
