/// How far a session had come when something happened, as a person would be told.
package enum SMTPStage: String, Equatable, Sendable {
  /// Connected, the greeting not yet there.
  case greeting
  /// EHLO or HELO was sent.
  case hello
  /// STARTTLS was sent.
  case startTLS
  /// AUTH is under way.
  case authentication
  /// Nothing was asked: the server spoke by itself.
  case idle
  /// MAIL was sent.
  case mail
  /// RCPT was sent.
  case recipient
  /// DATA was sent.
  case data
  /// The message is being sent.
  case body
  /// The final dot was sent: from here on the outcome is the server's to tell.
  case final
  /// RSET was sent.
  case reset
  /// QUIT was sent.
  case quit
}
