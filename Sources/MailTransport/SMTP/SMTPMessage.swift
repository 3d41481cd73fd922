import Bytes
package import MailProtocols

/// A message to be sent, at hand as a whole or read piece by piece.
package struct SMTPMessage {
  /// Size and kind, which MAIL declares before the first byte goes out.
  package let traits: SMTPMessageTraits
  /// The next piece; nil at the end.
  let next: (Int) async throws -> [UInt8]?

  /// A message of these bytes; line ends of any kind become CRLF on the way.
  package init(_ bytes: [UInt8]) {
    traits = SMTPMessageTraits(of: bytes.span)
    var position = 0
    next = { limit in
      guard position < bytes.count else { return nil }
      let end = min(position + limit, bytes.count)
      defer { position = end }
      return Array(bytes[position..<end])
    }
  }

  /// A message that `chunks` returns piece by piece, and nil at its end; it can be sent once.
  package init(traits: SMTPMessageTraits, chunks: @escaping () async throws -> [UInt8]?) {
    self.traits = traits
    next = { _ in try await chunks() }
  }
}
