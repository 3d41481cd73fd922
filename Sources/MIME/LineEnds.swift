import Bytes

/// The line ends of messages: CR and LF stand only together (RFC 5322 §2.3).
package enum LineEnds {
  /// The message with CRLF in place of each CR and each LF that stands alone.
  ///
  /// Servers refuse bare ones on APPEND, or change the message by mending them themselves.
  package static func canonical(_ message: [UInt8]) -> [UInt8] {
    guard !isCanonical(message.span) else { return message }
    var mended: [UInt8] = []
    mended.reserveCapacity(message.count + message.count / 32 + 16)
    let bytes = message.span
    var position = 0
    while position < bytes.count {
      let lf = bytes.firstIndex(of: .lf, from: position) ?? bytes.count
      // What stands before the line end: other CRs among it are line ends of their own.
      var start = position
      while start < lf, let cr = bytes.extracting(start..<lf).firstIndex(of: .cr) {
        mended.append(bytes.extracting(start..<start + cr))
        start += cr + 1
        if start < lf || lf == bytes.count { mended.append("\r\n") }
      }
      mended.append(bytes.extracting(start..<lf))
      if lf < bytes.count { mended.append("\r\n") }
      position = lf + 1
    }
    return mended
  }

  private static func isCanonical(_ bytes: Span<UInt8>) -> Bool {
    var position = 0
    while position < bytes.count {
      let lf = bytes.firstIndex(of: .lf, from: position) ?? bytes.count
      let cr = bytes.firstIndex(of: .cr, from: position) ?? bytes.count
      if lf == bytes.count, cr == bytes.count { return true }
      guard cr + 1 == lf else { return false }
      position = lf + 1
    }
    return true
  }
}
