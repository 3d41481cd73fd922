/// The server's answer to one command (RFC 5321 §4.2).
///
///     S: 250-first line
///     S: 250 2.1.5 Ok
package struct SMTPReply: Equatable, Sendable {
  /// The three digits, 200 to 599.
  package let code: Int
  /// The enhanced status code (RFC 3463) that the text begins with.
  package let enhancedStatus: EnhancedStatusCode?
  /// The text of each line as it came, without reply code and line end.
  package let lines: [String]

  /// A reply of `lines`, whose enhanced status code is read from the last line that has one.
  package init(code: Int, lines: [String]) {
    self.code = code
    self.lines = lines
    self.enhancedStatus =
      lines.lazy.reversed().compactMap { EnhancedStatusCode(leading: $0, replyCode: code) }.first
  }

  /// Whether the command was done (2yz).
  package var isPositive: Bool { code / 100 == 2 }

  /// Whether the server waits for more of the command (3yz).
  package var isIntermediate: Bool { code / 100 == 3 }

  /// Whether the same command may succeed later (4yz).
  package var isTransient: Bool { code / 100 == 4 }

  /// Whether the same command will fail again (5yz).
  package var isPermanent: Bool { code / 100 == 5 }

  /// Whether the server closes the connection after this reply (421; RFC 5321 §3.8).
  package var isClosing: Bool { code == 421 }

  /// The text of all lines as one, without the enhanced status codes.
  package var text: String {
    lines.map { line in
      guard let status = EnhancedStatusCode(leading: line, replyCode: code) else { return line }
      return String(line.dropFirst(status.description.count + 1))
    }.joined(separator: " ")
  }

  /// The same reply with every occurrence of one of `secrets` struck out.
  ///
  /// Some servers quote the command they refuse, and that of AUTH holds the password.
  func redacting(_ secrets: [String]) -> SMTPReply {
    let struckOut = lines.map { line in
      secrets.filter { !$0.isEmpty }.reduce(line) { $0.strikingOut($1) }
    }
    return SMTPReply(code: code, lines: struckOut)
  }
}

extension SMTPReply: CustomStringConvertible {
  /// The reply as one line, such as `550 5.1.1 No such user`.
  package var description: String {
    var parts = [String(code)]
    if let enhancedStatus { parts.append(enhancedStatus.description) }
    if !text.isEmpty { parts.append(text) }
    return parts.joined(separator: " ")
  }
}

extension String {
  fileprivate func strikingOut(_ secret: String) -> String {
    let text = Array(utf8)
    let wanted = Array(secret.utf8)
    var output: [UInt8] = []
    var index = 0
    while index < text.count {
      if text[index...].starts(with: wanted) {
        output.append(contentsOf: "[redacted]".utf8)
        index += wanted.count
      } else {
        output.append(text[index])
        index += 1
      }
    }
    return String(decoding: output, as: UTF8.self)
  }
}
