import Bytes

/// Encoded words in header fields (RFC 2047).
package enum EncodedWords {
  /// The text of an unstructured field body or an ENVELOPE string, decoded and unfolded.
  package static func decode(_ bytes: Span<UInt8>) -> String {
    String(utf8: bytes)
  }
}
