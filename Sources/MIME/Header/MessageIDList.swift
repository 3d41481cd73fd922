import Bytes

/// The message IDs of `References`, `In-Reply-To` and `Message-ID` (RFC 5322 §3.6.4).
package enum MessageIDList {
  /// The message IDs of a field body in order, without brackets, comments and white space.
  package static func parse(_ bytes: Span<UInt8>) -> [String] {
    []
  }
}
