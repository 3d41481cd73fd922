import Bytes

/// A reply of our listener to one command (RFC 5321 §4.2), with its enhanced status code (RFC 2034).
///
///     S: 550 5.1.1 There is no such mailbox here
package struct SMTPServerReply: Error, Equatable, Sendable {
  /// The three digits, 200 to 599.
  package let code: Int
  /// The enhanced status code; nil in replies that have none (RFC 2034 §4).
  package let status: EnhancedStatusCode?
  /// What is said to a human.
  package let text: String

  /// A reply of one line; what could end the line early becomes a space.
  package init(_ code: Int, _ status: EnhancedStatusCode?, _ text: String) {
    self.code = code
    self.status = status
    self.text = text
  }

  /// Whether the command was done, or goes on.
  package var isPositive: Bool { code < 400 }

  /// Whether the same may succeed later (4yz).
  package var isTransient: Bool { code / 100 == 4 }

  /// Appends the reply's wire form.
  func encode(into output: inout [UInt8]) {
    output.append(decimal: code)
    output.append(.space)
    if let status {
      output.append(text: status.description)
      output.append(.space)
    }
    for byte in text.utf8 { output.append(byte.isControl ? .space : byte) }
    output.append("\r\n")
  }
}

extension SMTPServerReply {
  /// The message, or all that was asked, is done.
  package static let ok = SMTPServerReply(250, EnhancedStatusCode(2, 0, 0), "Ok")
  /// The recipient is good.
  package static let recipientOk = SMTPServerReply(250, EnhancedStatusCode(2, 1, 5), "Ok")
  /// Nobody of that address is here.
  package static let unknownMailbox = SMTPServerReply(
    550,
    EnhancedStatusCode(5, 1, 1),
    "There is no such mailbox here"
  )
  /// The recipient is of somewhere else, and the client may not send there by us.
  package static let relayingDenied = SMTPServerReply(
    550,
    EnhancedStatusCode(5, 7, 1),
    "Relaying denied: sign in first"
  )
  /// Something of ours is out of order for now.
  package static let localError = SMTPServerReply(
    451,
    EnhancedStatusCode(4, 3, 0),
    "A local error; try again later"
  )
  /// There is no memory for the message now.
  package static let outOfMemory = SMTPServerReply(
    452,
    EnhancedStatusCode(4, 3, 1),
    "Too much mail is coming in at once; try again later"
  )
  /// The message is larger than any may be (RFC 1870 §6).
  package static let tooLarge = SMTPServerReply(
    552,
    EnhancedStatusCode(5, 3, 4),
    "The message is larger than any may be here"
  )
  /// The connection is closed since the service ends (RFC 5321 §3.8).
  package static let closing = SMTPServerReply(
    421,
    EnhancedStatusCode(4, 3, 2),
    "The service is stopping"
  )
  /// There are connections enough.
  package static let tooManyConnections = SMTPServerReply(
    421,
    EnhancedStatusCode(4, 7, 0),
    "Too many connections"
  )
  /// The client said nothing for too long.
  package static let timedOut = SMTPServerReply(421, EnhancedStatusCode(4, 4, 2), "Timed out")
  /// The client spoke before it was greeted.
  package static let spokeEarly = SMTPServerReply(
    554,
    EnhancedStatusCode(5, 5, 1),
    "You spoke before the greeting"
  )
}
