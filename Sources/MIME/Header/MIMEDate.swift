import Bytes

/// The value of a `Date` field (RFC 5322 §3.3): an instant, and the zone it was written in.
package struct MIMEDate: Hashable, Sendable {
  /// Seconds since 1970-01-01T00:00:00Z.
  package var seconds: Int64
  /// Minutes east of Greenwich.
  package var offset: Int

  /// A date of an instant and the zone it was written in.
  package init(seconds: Int64, offset: Int = 0) {
    self.seconds = seconds
    self.offset = offset
  }

  /// The date that a field body spells, in any of the forms that are met; nil where it spells none.
  package static func parse(_ bytes: Span<UInt8>) -> MIMEDate? {
    nil
  }
}
