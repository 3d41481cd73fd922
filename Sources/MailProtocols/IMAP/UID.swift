/// The number of a message in its mailbox, never used twice under one UIDVALIDITY (RFC 3501 §2.3.1.1).
package struct UID: Hashable, Comparable, Sendable, CustomStringConvertible,
  ExpressibleByIntegerLiteral
{
  /// The number as the server wrote it.
  package let value: UInt32

  /// The message numbered `value`.
  package init(_ value: UInt32) { self.value = value }
  package init(integerLiteral value: UInt32) { self.value = value }

  package static func < (left: UID, right: UID) -> Bool { left.value < right.value }
  package var description: String { String(value) }
}

/// The generation of a mailbox's UIDs: when it changes, no UID known before means anything.
package struct UIDValidity: Hashable, Sendable, CustomStringConvertible,
  ExpressibleByIntegerLiteral
{
  /// The number as the server wrote it.
  package let value: UInt32

  /// The generation `value`.
  package init(_ value: UInt32) { self.value = value }
  package init(integerLiteral value: UInt32) { self.value = value }
  package var description: String { String(value) }
}

/// The version of a message's flags, or of a mailbox (RFC 7162 §3.1).
package struct ModSeq: Hashable, Comparable, Sendable, CustomStringConvertible,
  ExpressibleByIntegerLiteral
{
  /// The number as the server wrote it.
  package let value: UInt64

  /// The version `value`.
  package init(_ value: UInt64) { self.value = value }
  package init(integerLiteral value: UInt64) { self.value = value }

  package static func < (left: ModSeq, right: ModSeq) -> Bool { left.value < right.value }
  package var description: String { String(value) }
}
