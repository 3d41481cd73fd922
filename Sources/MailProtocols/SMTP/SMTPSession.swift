import Bytes

/// The client's side of one SMTP session (RFC 5321 §3), without its socket.
///
/// A driver gives it bytes by `receive(_:)`, writes what `takeOutput()` returns, asks for what happened
/// by `next()`, and tells it what is wanted by the verbs (`authenticate`, `begin`, `sendData`…). The
/// states, and what each reply does in them, stand in `SMTPSession+Replies.swift`.
///
///     S: 220 mail.example.org ESMTP
///     C: EHLO client.example.com
///     S: 250-mail.example.org
///     S: 250 PIPELINING
///     C: MAIL FROM:<a@example.com>        one write
///     C: RCPT TO:<b@example.org>
///     S: 250 2.1.0 Ok
///     S: 550 5.1.1 No such user
package struct SMTPSession: Sendable {
  /// What happened, for the driver to act on.
  package enum Event: Equatable, Sendable {
    /// EHLO (or HELO) was answered: `capabilities` stand, and a verb may follow.
    case ready
    /// STARTTLS was demanded and is not offered; no verb but `quit()` makes sense.
    case startTLSNotOffered
    /// The server waits for the TLS handshake; call `secured()` after it.
    case handshake
    /// AUTH goes on: the driver calls `respond`. Nil where the challenge is not base64.
    case challenge([UInt8]?)
    /// AUTH succeeded.
    case authenticated
    /// AUTH was refused for good.
    case authenticationFailed(SMTPReply)
    /// MAIL was accepted and each recipient answered; call `sendData()` or `reset()`.
    case recipients([SMTPRecipientResult])
    /// The server waits for the message.
    case sendBody
    /// The answer to the final dot.
    case finished(SMTPReply)
    /// RSET or QUIT was answered.
    case done
    /// The server said no.
    case refused(SMTPReply, SMTPStage)
    /// The server broke the protocol; the session is over.
    case broken(reason: String)
  }

  /// What is to happen between the first EHLO and the first verb.
  package enum Security: Sendable {
    /// Go on without STARTTLS: TLS is there already, or not wanted.
    case asItIs
    /// Demand STARTTLS before anything else.
    case startTLS
  }

  /// What is shared with the transitions; see the table there.
  enum State: Sendable {
    case greeting
    case ehlo
    case helo
    case startTLS
    case handshake
    case ready
    case authenticating(SMTPAuthExchange)
    case challenged(SMTPAuthExchange)
    case recipients(SMTPTransaction)
    case confirming
    case data
    case body
    case interrupted
    case final
    case resetting
    case quitting
    case closed
  }

  let heloName: String
  package let limits: SMTPLimits
  var security: Security
  var state = State.greeting
  var parser: SMTPReplyParser
  var output: [UInt8] = []

  /// What the server offers, from the last EHLO; empty before it.
  package internal(set) var capabilities = SMTPCapabilities()
  /// The text of the greeting.
  package internal(set) var greeting: SMTPReply?
  /// How many replies came: a driver renews its deadline when it grows.
  package internal(set) var replyCount = 0

  /// A session whose connection was just made.
  package init(
    heloName: String,
    security: Security,
    limits: SMTPLimits = SMTPLimits()
  ) throws(SMTPInputError) {
    let isName = heloName.unicodeScalars.allSatisfy { $0.isASCII && !$0.isForbiddenInCommand }
    guard !heloName.isEmpty, heloName.utf8.count <= 255, isName else { throw .heloName }
    self.heloName = heloName
    self.security = security
    self.limits = limits
    self.parser = SMTPReplyParser(limits: limits)
  }

  /// Takes in what the network brought.
  package mutating func receive(_ bytes: [UInt8]) {
    parser.receive(bytes)
  }

  /// What is to be written now; empty where there is nothing.
  package mutating func takeOutput() -> [UInt8] {
    defer { output = [] }
    return output
  }

  /// The next thing that happened; nil while the server owes a reply.
  ///
  /// There may be output to write either way.
  package mutating func next() -> Event? {
    guard !isClosed else { return nil }
    do throws(SMTPSyntaxError) {
      while !isAwaitingDriver, let reply = try parser.next() {
        replyCount += 1
        if let event = answer(reply) { return event }
      }
      return nil
    } catch {
      return broken(error.reason)
    }
  }

  /// Whether the driver must act before another reply can be understood.
  private var isAwaitingDriver: Bool {
    switch state {
    case .handshake, .challenged, .confirming, .body: true
    default: false
    }
  }

  /// Whether the session is over.
  package var isClosed: Bool {
    if case .closed = state { true } else { false }
  }

  /// Whether a verb may be called.
  package var isReady: Bool {
    if case .ready = state { true } else { false }
  }

  /// How far the session is, for deadlines and errors.
  package var stage: SMTPStage {
    switch state {
    case .greeting: .greeting
    case .ehlo, .helo: .hello
    case .startTLS, .handshake: .startTLS
    case .authenticating, .challenged: .authentication
    case .recipients(let transaction): transaction.isMailAnswered ? .recipient : .mail
    case .confirming: .recipient
    case .data: .data
    case .body, .interrupted: .body
    case .final: .final
    case .resetting: .reset
    case .quitting: .quit
    case .ready, .closed: .idle
    }
  }
}

// MARK: - Verbs

extension SMTPSession {
  /// The handshake is done: forgets what was known before it, and says EHLO again.
  package mutating func secured() {
    guard case .handshake = state else { preconditionFailure("no handshake was asked for") }
    parser.discard()
    capabilities = SMTPCapabilities()
    security = .asItIs
    sayEHLO()
  }

  /// Starts AUTH by a SASL mechanism; each challenge that follows is the driver's to answer.
  ///
  /// None of `secrets`, nor of what is sent, shows in an error.
  package mutating func authenticate(
    _ mechanism: SASLMechanism,
    initialResponse: [UInt8]?,
    secrets: [String]
  ) {
    begin(SMTPAuthExchange(mechanism, initialResponse: initialResponse, secrets: secrets))
  }

  /// Starts AUTH LOGIN.
  package mutating func logIn(username: String, password: String) {
    begin(SMTPAuthExchange(loginOf: username, password: password))
  }

  private mutating func begin(_ exchange: SMTPAuthExchange) {
    precondition(isReady, "AUTH while something else is under way")
    var exchange = exchange
    output.append(text: exchange.command())
    state = .authenticating(exchange)
  }

  /// Answers `.challenge`; nil gives the exchange up (RFC 4954 §4).
  package mutating func respond(_ response: [UInt8]?) {
    guard case .challenged(var exchange) = state else {
      preconditionFailure("nothing was asked")
    }
    output.append(text: exchange.respond(response))
    state = .authenticating(exchange)
  }

  /// Starts MAIL and RCPT; the answer is `.recipients` or `.refused`.
  package mutating func begin(
    _ envelope: SMTPEnvelope,
    _ traits: SMTPMessageTraits
  ) throws(SMTPInputError) {
    precondition(isReady, "MAIL while something else is under way")
    try envelope.validate(limits: limits)
    let mail = SMTPTransaction.mailCommand(envelope, traits, capabilities)
    let window = capabilities.offers(.pipelining) ? max(1, limits.pipelinedCommands) : 1
    var transaction = SMTPTransaction(
      mail: mail,
      recipients: envelope.recipients,
      window: window
    )
    output.append(text: transaction.nextCommands())
    state = .recipients(transaction)
  }

  /// Sends DATA.
  package mutating func sendData() {
    guard case .confirming = state else { preconditionFailure("DATA without a recipient") }
    output.append("DATA\r\n")
    state = .data
  }

  /// The message and its final dot are about to be written whole.
  package mutating func bodyEnds() {
    guard case .body = state else { preconditionFailure("the end of no message") }
    state = .final
  }

  /// The connection broke while the message was written: what the server said before may tell why.
  package mutating func bodyInterrupted() {
    guard case .body = state else { preconditionFailure("no message was under way") }
    state = .interrupted
  }

  /// Forgets the transaction under way.
  package mutating func reset() {
    switch state {
    case .ready, .confirming: break
    default: preconditionFailure("RSET while something else is under way")
    }
    output.append("RSET\r\n")
    state = .resetting
  }

  /// Says goodbye.
  package mutating func quit() {
    precondition(isReady, "QUIT while something else is under way")
    output.append("QUIT\r\n")
    state = .quitting
  }

  /// The connection is gone.
  package mutating func close() {
    state = .closed
    output = []
  }
}
