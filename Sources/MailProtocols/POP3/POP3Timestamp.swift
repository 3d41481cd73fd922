import Bytes
import Crypto

/// The challenge in a greeting that offers APOP (RFC 1939 §7).
///
///     S: +OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>
///     C: APOP mrose c4c9334bac560ecc979e58001b3e22fb
package struct POP3Timestamp: Hashable, Sendable {
  /// The timestamp with its angle brackets.
  package let bytes: [UInt8]

  /// The timestamp in a greeting; nil where it offers none.
  ///
  /// It must be a message id of printable ASCII (RFC 1939 §7). A man in the middle who may choose any
  /// bytes finds out the start of the password from colliding digests (CVE-2007-1558).
  init?(greeting: POP3Reply) {
    let text = greeting.bytes
    var start = text.startIndex
    while let open = text[start...].firstIndex(of: 0x3C) {
      guard let close = text[open...].firstIndex(of: 0x3E) else { return nil }
      let id = text[(open + 1)..<close]
      let sides = id.split(separator: 0x40, omittingEmptySubsequences: false)
      if sides.count == 2, sides.allSatisfy({ !$0.isEmpty }),
        id.allSatisfy({ (0x21...0x7E).contains($0) && $0 != 0x3C })
      {
        bytes = Array(text[open...close])
        return
      }
      start = open + 1
    }
    return nil
  }

  /// The digest that proves `password`; nil where OpenSSL is told to do without MD5.
  func digest(password: String) -> String? {
    Digest.md5((bytes + Array(password.utf8)).span).map { Hex.encode($0.span) }
  }
}
