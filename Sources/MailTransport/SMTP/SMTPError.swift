package import MailProtocols
package import Net

/// Why an SMTP client did not do what it was asked, by what the caller can do about it.
///
/// None of them means that a message may have been delivered: that is an outcome of `SMTPResult`.
package enum SMTPError: Error {
  /// The server said no in `stage`; `isPermanent` of the reply tells whether to ask again, and
  /// `isUsable` of the client whether on this connection.
  case refused(SMTPReply, SMTPStage)
  /// The server did not take the credentials; a transient reply is worth another try, later.
  case authenticationFailed(SMTPReply)
  /// What was asked must not be sent as it is; nothing was.
  case invalid(SMTPInputError)
  /// The server lacks what is needed; nothing was sent.
  case unsupported(SMTPUnsupported)
  /// The caller's own closure threw this; nothing was delivered.
  case abandoned(any Error)
  /// The server broke the protocol; the connection is closed.
  case broken(reason: String)
  /// The connection is closed, and nothing was delivered.
  case closed
  /// The server did not answer in time; the connection is closed.
  case timedOut(SMTPStage)
  /// The network failed; the connection is closed.
  case network(NetError)
}

/// What a server does not offer.
package enum SMTPUnsupported: Equatable, Sendable {
  /// STARTTLS, which the caller demands.
  case startTLS
  /// A mechanism for these credentials; `offered` are its own, none of them before TLS on many servers.
  case authentication(offered: [String])
  /// Addresses that are not ASCII (RFC 6531).
  case smtpUTF8
  /// Bodies with bytes above 127 (RFC 6152).
  case eightBitMIME
  /// A message above its limit (RFC 1870).
  case messageSize(limit: Int)
}
