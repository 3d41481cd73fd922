/// What a session accepts from a server, and how long it waits for it.
///
/// The waits are the minimum values of RFC 5321 §4.5.3.2; a caller in a hurry lowers them.
package struct SMTPLimits: Sendable {
  /// The longest reply line, its code included, where the RFC says 512 and greetings exceed it.
  package var replyLineBytes = 4096
  /// The most lines of one reply.
  package var replyLines = 256
  /// The most commands sent ahead of their replies, so that neither side fills the other's window
  /// while it waits (RFC 2920 §3.1).
  package var pipelinedCommands = 100
  /// The longest address of the envelope, in bytes: 64 + "@" + 255 (RFC 5321 §4.5.3.1).
  package var addressBytes = 320
  /// How much of a message is encoded and written at once.
  package var bodyChunkBytes = 65_536

  /// The wait for the greeting, and for the replies to EHLO, STARTTLS, AUTH, RSET.
  package var greetingTimeout = Duration.seconds(300)
  /// The wait for the reply to MAIL.
  package var mailTimeout = Duration.seconds(300)
  /// The wait for the reply to each RCPT.
  package var recipientTimeout = Duration.seconds(300)
  /// The wait for the reply to DATA.
  package var dataTimeout = Duration.seconds(120)
  /// The wait for each block of the message to be taken.
  package var bodyTimeout = Duration.seconds(180)
  /// The wait for the reply to the final dot, while the server delivers.
  package var finalTimeout = Duration.seconds(600)
  /// The wait for the reply to QUIT, which nothing depends on.
  package var quitTimeout = Duration.seconds(5)

  /// The defaults.
  package init() {}

  /// How long to wait for the server's answer in `stage`.
  package func timeout(for stage: SMTPStage) -> Duration {
    switch stage {
    case .idle, .greeting, .hello, .startTLS, .authentication, .reset: greetingTimeout
    case .mail: mailTimeout
    case .recipient: recipientTimeout
    case .data: dataTimeout
    case .body: bodyTimeout
    case .final: finalTimeout
    case .quit: quitTimeout
    }
  }
}
