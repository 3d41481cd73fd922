package import MailProtocols
package import Net

/// Who brings mail, as far as is known.
package struct SMTPServerClient: Sendable {
  /// Which protocol it speaks.
  package var kind: SMTPServerSession.Kind
  /// Where it connects from; nil where the kernel did not say.
  package var address: SocketAddress?
  /// What it calls itself, which may be anything.
  package var name: String
  /// Whether it said EHLO or LHLO.
  package var isExtended: Bool
  /// Whether TLS protects the connection.
  package var isSecure: Bool
}

/// A message on its way in, without its text.
package struct SMTPServerTransaction<Login: Sendable, Recipient: Sendable>: Sendable {
  package var client: SMTPServerClient
  /// What signing in gave; nil for who did not.
  package var login: Login?
  package var sender: SMTPServerSender
  /// Those that were taken, in their order.
  package var recipients: [Recipient] = []
}

/// What a listener asks about the mail that comes: who may send, for whom it is taken, and where it goes.
///
/// All of it is called on the loop of the connection; what it throws is the reply.
package protocol SMTPServerHandler: Sendable {
  /// Who has signed in.
  associatedtype Login: Sendable
  /// Where a message for one recipient goes.
  associatedtype Recipient: Sendable

  /// Whom a name and a password stand for; asked under TLS alone.
  func signIn(
    _ credentials: SMTPServerCredentials,
    _ client: SMTPServerClient
  ) async throws(SMTPServerReply) -> Login

  /// Throws where nothing is taken from this sender.
  func check(
    _ transaction: SMTPServerTransaction<Login, Recipient>
  ) async throws(SMTPServerReply)

  /// Where a message for `mailbox` goes.
  func find(
    _ mailbox: SMTPMailbox,
    for transaction: SMTPServerTransaction<Login, Recipient>
  ) async throws(SMTPServerReply) -> Recipient

  /// Takes the message; it is durable for each recipient whose reply is positive.
  func take(
    _ message: [UInt8],
    _ transaction: SMTPServerTransaction<Login, Recipient>
  ) async -> [SMTPServerReply]
}
