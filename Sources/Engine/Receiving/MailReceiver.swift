import Bytes
import Crypto
import Logging
package import MailProtocols
package import MailTransport
package import Model
package import Net
import Store

/// Says who may bring mail, for whom it is taken, and keeps it: what stands behind the SMTP and LMTP listeners.
///
/// Mail for an address of an account that is kept here goes into its inbox, whoever brings it. Mail for any other
/// address is taken only from who may send as the account whose address the sender is: who signed in with a token of
/// the scope `send`, or connects from a network that was named. It becomes a submission of that account, and so goes to its
/// smart host alone. Nothing else is passed on, ever. The postmaster of each domain that an account has an address in, and of none,
/// is somebody here (RFC 5321 §4.5.1).
package struct MailReceiver: SMTPServerHandler {
  /// An account that was signed in to.
  package struct Login: Sendable {
    let account: Account
    let token: ID<Token>
  }

  /// Where a message for one recipient goes.
  package enum Recipient: Sendable {
    case inbox(ID<Mailbox>, of: ID<Account>, address: String)
    case elsewhere(String, by: Account)
  }

  package typealias Transaction = SMTPServerTransaction<Login, Recipient>

  private let engine: Engine
  /// Networks that may send as any account without signing in.
  private let relayNetworks: [CIDR]
  private let hostName: String
  /// The address or the id of the account that gets the postmaster's mail; without one the oldest account of the domain does.
  private let postmaster: String?

  private var services: EngineServices { engine.services }

  /// A receiver that lets `relayNetworks` send without signing in.
  package init(
    _ engine: Engine,
    relayNetworks: [CIDR] = [],
    hostName: String,
    postmaster: String? = nil
  ) {
    self.engine = engine
    self.relayNetworks = relayNetworks
    self.hostName = hostName
    self.postmaster = postmaster
  }

  // MARK: - Who sends

  /// The account that an address or an id names, if the password is a token that may send as it.
  package func signIn(
    _ credentials: SMTPServerCredentials,
    _ client: SMTPServerClient
  ) async throws(SMTPServerReply) -> Login {
    guard client.isSecure else { throw Self.wrongCredentials }
    let token = try await token(credentials.password)
    for account in try await accounts(named: credentials.username)
    where token.accounts?.contains(account.id) ?? true {
      return Login(account: account, token: token.id)
    }
    throw Self.wrongCredentials
  }

  private static let wrongCredentials = SMTPServerReply(
    535,
    EnhancedStatusCode(5, 7, 8),
    "The name is an address or the id of an account, the password a token with the scope send"
  )

  private func token(_ secret: String) async throws(SMTPServerReply) -> TokenRecord {
    let digest = Digest.sha256(Array(secret.utf8).span)
    do throws(ServiceError) {
      let now = services.now()
      guard let token = try await engine.store.token(digest: digest), !token.isRevoked,
        token.expiresAt.map({ $0 > now }) ?? true, token.scopes.contains(where: Self.sends)
      else { throw ServiceError(.unauthenticated, "No such token.") }
      try await engine.store.touchToken(token.id)
      return token
    } catch {
      if error.code == .unauthenticated { throw Self.wrongCredentials }
      throw SMTPServerReply(454, EnhancedStatusCode(4, 7, 0), "Sign in later")
    }
  }

  /// The scopes that let a token send; `admin` holds every other.
  private static func sends(_ scope: String) -> Bool { scope == "send" || scope == "admin" }

  private func accounts(named name: String) async throws(SMTPServerReply) -> [Account] {
    do throws(ServiceError) {
      if let id = ID<Account>(text: name) {
        return try await engine.store.account(id).map { [$0] } ?? []
      }
      return try await engine.store.accounts(sendingAs: name)
    } catch {
      throw Self.reply(error)
    }
  }

  /// Whoever signed in sends as the account alone; what others call themselves is not believed, and so not looked at.
  package func check(_ transaction: Transaction) async throws(SMTPServerReply) {
    guard let login = transaction.login else { return }
    let account = try await current(login)
    guard account.sends(as: transaction.sender.plainAddress) else {
      throw SMTPServerReply(
        553,
        EnhancedStatusCode(5, 7, 1),
        "The sender is no address of the account that signed in"
      )
    }
  }

  /// The account as it is now: its identities may have changed since the sign-in.
  private func current(_ login: Login) async throws(SMTPServerReply) -> Account {
    do throws(ServiceError) {
      guard let account = try await engine.store.account(login.account.id) else {
        throw ServiceError.notFound("account")
      }
      return account
    } catch {
      throw Self.reply(error)
    }
  }

  // MARK: - For whom

  /// The inbox of an address, or the account by which the client may send there.
  package func find(
    _ mailbox: SMTPMailbox,
    for transaction: Transaction
  ) async throws(SMTPServerReply) -> Recipient {
    if let addressee = try await addressee(mailbox) {
      try checkRoom(addressee, for: transaction.sender.size ?? 0)
      return .inbox(addressee.inbox, of: addressee.account, address: mailbox.address)
    }
    guard mailbox.domain != nil, let account = try await relay(transaction) else {
      throw transaction.client.kind == .lmtp ? .unknownMailbox : Self.noRelaying
    }
    guard account.outgoing != nil else {
      throw SMTPServerReply(
        550,
        EnhancedStatusCode(5, 7, 1),
        "The account of the sender has no outgoing server"
      )
    }
    return .elsewhere(mailbox.address, by: account)
  }

  private static let noRelaying = SMTPServerReply(
    550,
    EnhancedStatusCode(5, 7, 1),
    "There is no such mailbox here, and relaying is denied"
  )

  private func addressee(_ mailbox: SMTPMailbox) async throws(SMTPServerReply) -> MailAddressee? {
    do throws(ServiceError) {
      if let domain = mailbox.domain {
        let address = "\(mailbox.localPart)@\(domain)"
        if let found = try await engine.store.addressee(address) { return found }
      }
      guard mailbox.localPart.lowercased() == "postmaster" else { return nil }
      let first =
        if let domain = mailbox.domain {
          try await engine.store.postmaster(of: domain)
        } else {
          try await engine.store.postmaster()
        }
      guard let first else { return nil }
      if let appointed = try await appointed() { return appointed }
      return first
    } catch {
      throw Self.reply(error)
    }
  }

  /// The account that was named to get the postmaster's mail, if there is one whose mail is kept here.
  private func appointed() async throws(ServiceError) -> MailAddressee? {
    guard let postmaster else { return nil }
    guard let id = ID<Account>(text: postmaster) else {
      return try await engine.store.addressee(postmaster)
    }
    return try await engine.store.addressee(id)
  }

  private func checkRoom(_ addressee: MailAddressee, for size: Int) throws(SMTPServerReply) {
    guard let quota = addressee.quotaBytes ?? services.configuration.quotaBytes else { return }
    guard addressee.keptBytes < quota, Int64(size) <= quota - addressee.keptBytes else {
      throw Self.overQuota
    }
  }

  /// The account by which the client may send elsewhere; nil where it may not.
  private func relay(_ transaction: Transaction) async throws(SMTPServerReply) -> Account? {
    guard transaction.client.kind == .smtp else { return nil }
    if let login = transaction.login { return login.account }
    guard let address = transaction.client.address,
      relayNetworks.contains(where: { $0.contains(address) }), transaction.sender.mailbox != nil
    else { return nil }
    do throws(ServiceError) {
      let accounts = try await engine.store.accounts(sendingAs: transaction.sender.plainAddress)
      // One that cannot send is told so, as whoever signed in is.
      return accounts.first { $0.outgoing != nil } ?? accounts.first
    } catch {
      throw Self.reply(error)
    }
  }

  // MARK: - The message

  /// Keeps the message in each inbox, and queues it for those who are elsewhere.
  package func take(_ message: [UInt8], _ transaction: Transaction) async -> [SMTPServerReply] {
    guard !TraceFields.isLooping(message) else {
      let reply = SMTPServerReply(554, EnhancedStatusCode(5, 4, 6), "The message goes round")
      return transaction.recipients.map { _ in reply }
    }
    var kept: [ID<Account>: SMTPServerReply] = [:]
    let sent = await submit(message, transaction)
    var replies: [SMTPServerReply] = []
    for recipient in transaction.recipients {
      switch recipient {
      case .elsewhere: replies.append(sent)
      case .inbox(let mailbox, let account, let address):
        // Two addresses of one account get one copy.
        let reply: SMTPServerReply
        if let known = kept[account] {
          reply = known
        } else {
          reply = await keep(message, in: mailbox, of: account, address, transaction)
        }
        kept[account] = reply
        replies.append(reply)
      }
    }
    return replies
  }

  private func keep(
    _ message: [UInt8],
    in mailbox: ID<Mailbox>,
    of account: ID<Account>,
    _ address: String,
    _ transaction: Transaction
  ) async -> SMTPServerReply {
    let now = services.now()
    let trace = TraceFields.make(
      for: transaction.client,
      isSignedIn: transaction.login != nil,
      sender: transaction.sender,
      recipient: transaction.recipients.count == 1 ? address : nil,
      hostName: hostName,
      seconds: now.seconds
    )
    do throws(ServiceError) {
      let id = try await engine.importMessage(
        trace + message,
        into: mailbox,
        of: account,
        keywords: [],
        receivedAt: now,
        envelope: DeliveryEnvelope(from: transaction.sender.address, to: address)
      )
      return SMTPServerReply(250, EnhancedStatusCode(2, 0, 0), "Kept as \(id)")
    } catch {
      return logged(error, account)
    }
  }

  /// Queues the message for those of its recipients that are elsewhere, as one submission.
  private func submit(_ message: [UInt8], _ transaction: Transaction) async -> SMTPServerReply {
    var addresses: [String] = []
    var sender: Account?
    for case .elsewhere(let address, let account) in transaction.recipients {
      addresses.append(address)
      sender = account
    }
    guard let sender else { return .ok }
    var draft = SubmissionDraft(content: .raw(message))
    draft.identityID =
      sender.identities.first {
        $0.email.lowercased() == transaction.sender.plainAddress.lowercased()
      }?
      .id
    draft.envelopeSender = transaction.sender.address
    draft.envelopeRecipients = addresses
    draft.owesReport = true
    do throws(ServiceError) {
      let record = try await engine.submit(draft, of: sender.id)
      return SMTPServerReply(250, EnhancedStatusCode(2, 0, 0), "Queued as \(record.id)")
    } catch {
      return logged(error, sender.id)
    }
  }

  private func logged(_ error: ServiceError, _ account: ID<Account>) -> SMTPServerReply {
    let reply = Self.reply(error)
    services.logger.log(
      level: error.code == .internalError ? .error : .info,
      "message not taken",
      metadata: [
        "account": "\(account)", "code": "\(error.code.rawValue)", "reply": "\(reply.code)",
        "cause": "\(error.cause ?? error.message)",
      ]
    )
    return reply
  }

  private static let overQuota = SMTPServerReply(
    552,
    EnhancedStatusCode(5, 2, 2),
    "The mailbox is full"
  )

  /// What an error of ours is to who brings mail; nothing of its cause is told.
  private static func reply(_ error: ServiceError) -> SMTPServerReply {
    switch error.code {
    case .overQuota: overQuota
    case .bodyTooLarge: .tooLarge
    case .notFound: .unknownMailbox
    case .unprocessable: SMTPServerReply(554, EnhancedStatusCode(5, 6, 0), error.message)
    case .conflict: SMTPServerReply(554, EnhancedStatusCode(5, 7, 1), error.message)
    default: .localError
    }
  }
}

extension SMTPServerSender {
  /// The reverse-path as an address in settings is written, without quotes.
  fileprivate var plainAddress: String {
    guard let mailbox, let domain = mailbox.domain else { return "" }
    return "\(mailbox.localPart)@\(domain)"
  }
}

extension Account {
  /// Whether `address` is the account's own, or one of its identities'.
  fileprivate func sends(as address: String) -> Bool {
    let wanted = address.lowercased()
    return email.lowercased() == wanted || identities.contains { $0.email.lowercased() == wanted }
  }
}
