import Bytes

/// The first line of an answer (RFC 1939 §3, RFC 2449 §3).
///
///     S: +OK 2 messages (320 octets)
///     S: -ERR [IN-USE] Do you have another POP session running?
package struct POP3Reply: Hashable, Sendable {
  /// `+OK`, and not `-ERR`.
  package let isPositive: Bool
  /// What follows, without the blanks around it.
  package let bytes: [UInt8]

  /// A reply of its status and its text.
  init(isPositive: Bool, bytes: [UInt8]) {
    self.isPositive = isPositive
    self.bytes = bytes
  }

  /// A reply of its status and its text.
  package init(isPositive: Bool, text: String) {
    self.init(isPositive: isPositive, bytes: Array(text.utf8))
  }

  /// The reply that `line` is; nil where it has no status.
  ///
  /// Leniencies: `bareStatus`, nothing after the status (recorded of Comcast); `lowercaseStatus`, in any
  /// case; `joinedStatus`, no blank before the text. Nothing but the status means anything here.
  init?(line: Span<UInt8>) {
    var reader = ByteReader(line)
    if reader.consume(ignoringCase: "+OK") {
      isPositive = true
    } else if reader.consume(ignoringCase: "-ERR") {
      isPositive = false
    } else {
      return nil
    }
    let rest = line.extracting(reader.position..<line.count)
    bytes = rest.extracting(rest.trimmingBlanks).array
  }

  /// Whether a line begins as a reply does.
  static func begins(_ line: Span<UInt8>) -> Bool {
    var reader = ByteReader(line)
    return reader.consume(ignoringCase: "+OK") || reader.consume(ignoringCase: "-ERR")
  }

  /// The response code that the text begins with.
  ///
  /// Leniency `unannouncedCode`: read also where RESP-CODES was not offered, as after a refused CAPA.
  package var code: POP3ResponseCode? {
    codeRange.map { POP3ResponseCode(String(utf8: bytes.span.extracting($0))) }
  }

  private var codeRange: Range<Int>? {
    guard bytes.first == 0x5B, let end = bytes.firstIndex(of: 0x5D), end > 1,
      !bytes[1..<end].contains(where: { $0.isBlank || $0.isControl })
    else { return nil }
    return 1..<end
  }

  /// The text for people, without the response code.
  package var text: String {
    let rest = bytes.span.extracting((codeRange.map { $0.upperBound + 1 } ?? 0)..<bytes.count)
    return String(utf8: rest.extracting(rest.trimmingBlanks))
  }

  /// The same reply with every occurrence of one of `secrets` struck out.
  ///
  /// Some servers repeat the command that they refuse, and that of PASS is the password.
  package func redacting(_ secrets: [[UInt8]]) -> POP3Reply {
    var output: [UInt8] = []
    var index = 0
    while index < bytes.count {
      let found = secrets.filter { !$0.isEmpty && bytes[index...].starts(with: $0) }
      if let longest = found.map(\.count).max() {
        output.append("[redacted]")
        index += longest
      } else {
        output.append(bytes[index])
        index += 1
      }
    }
    return POP3Reply(isPositive: isPositive, bytes: output)
  }
}

extension POP3Reply: CustomStringConvertible {
  /// The line, such as `-ERR [AUTH] no`.
  package var description: String {
    let status = isPositive ? "+OK" : "-ERR"
    return bytes.isEmpty ? status : "\(status) \(String(utf8: bytes.span))"
  }
}
