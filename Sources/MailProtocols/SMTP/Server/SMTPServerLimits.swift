/// What our listener takes from those who bring mail, and how long it waits for it.
///
/// The waits are the minimum values of RFC 5321 §4.5.3.2, but for those whose doc says otherwise.
package struct SMTPServerLimits: Sendable {
  /// The longest command line, its CRLF included, where RFC 5321 §4.5.3.1.4 says 512 and extensions add to it.
  package var commandLineBytes = 2048
  /// The longest answer in an AUTH exchange (RFC 4954 §4).
  package var authLineBytes = 12_288
  /// The longest line of a message that comes by DATA, where RFC 5321 §4.5.3.1.6 says 1,000 and much mail exceeds it.
  package var textLineBytes = 65_536
  /// The largest message, which SIZE tells (RFC 1870).
  package var messageBytes = 50 << 20
  /// The most recipients of one message; the RFC wants 100 at least (§4.5.3.1.8).
  package var recipients = 1000
  /// The longest local part, in bytes (RFC 5321 §4.5.3.1.1).
  package var localPartBytes = 64
  /// The longest domain, in bytes (RFC 5321 §4.5.3.1.2).
  package var domainBytes = 255
  /// How many commands may be refused before the session is closed.
  package var errors = 20
  /// How many passwords may be wrong before the session is closed.
  package var authFailures = 3
  /// How many commands in a row may do nothing for a message (NOOP, RSET, VRFY …) before the session is closed.
  package var idleCommands = 100

  /// The wait for the next command.
  package var commandTimeout = Duration.seconds(300)
  /// The wait for the next bytes of a message.
  package var dataTimeout = Duration.seconds(180)
  /// The wait for all of a message; no RFC has it, and without it a byte a minute holds a connection for years.
  package var messageTimeout = Duration.seconds(1800)
  /// The wait for a TLS handshake, which no RFC has.
  package var handshakeTimeout = Duration.seconds(30)
  /// The wait for a client that does not take its replies.
  package var writeTimeout = Duration.seconds(60)

  /// How many connections there may be.
  package var connections = 1000
  /// How many of them may come from one address; a Unix socket counts as none.
  package var connectionsPerAddress = 50
  /// How many bytes of messages may be on their way in, of all connections together.
  package var bytesUnderWay = 512 << 20
  /// How long the greeting waits for clients that speak before it, as programs that only send junk do; zero greets at once.
  package var greetDelay = Duration.zero
  /// By how much each refusal holds up its reply, which makes guessing slow.
  package var failureDelay = Duration.milliseconds(250)
  /// The longest that a reply is held up.
  package var longestDelay = Duration.seconds(5)

  /// The defaults.
  package init() {}
}
