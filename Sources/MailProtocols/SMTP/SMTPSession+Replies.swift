import Bytes

/// Every transition of the session that a reply causes; the verbs cause the others.
///
/// | State | Waits for | 2yz | 3yz | 4yz, 5yz |
/// |---|---|---|---|---|
/// | greeting | 220 | EHLO → ehlo | broken | refused → closed |
/// | ehlo | reply to EHLO | ready, or STARTTLS → startTLS | broken | 5yz: HELO → helo; 4yz: refused → closed |
/// | helo | reply to HELO | ready with no capabilities | broken | refused → closed |
/// | startTLS | 220 | handshake | broken | refused → closed |
/// | handshake | `secured()` | – | – | – |
/// | ready | a verb | broken | broken | broken |
/// | authenticating | 235 | ready | next response, or challenged | failed → ready |
/// | challenged | `respond()` | – | – | – |
/// | recipients | each MAIL and RCPT | confirming when all came | broken | MAIL: refused → ready; RCPT: noted |
/// | confirming | `sendData()`, `reset()` | – | – | – |
/// | data | 354 | broken | body | refused → confirming |
/// | body | `bodyEnds()`, `bodyInterrupted()` | – | – | – |
/// | interrupted | last words | broken | broken | refused → closed |
/// | final | the outcome | finished → ready | broken | finished → ready |
/// | resetting | 250 | done → ready | broken | refused → closed |
/// | quitting | 221 | done → closed | done → closed | done → closed |
///
/// 421 may answer anything, or nothing: the stage's refusal → closed (RFC 5321 §3.8). After the final
/// dot it is the outcome like any other 4yz: the server says that it did not take the message.
extension SMTPSession {
  /// Moves on by one reply.
  mutating func answer(_ reply: SMTPReply) -> Event? {
    if reply.isClosing { return closing(reply) }
    switch state {
    case .greeting: return greet(reply)
    case .ehlo: return answerEHLO(reply)
    case .helo:
      guard reply.isPositive else { return end(reply) }
      return become(.ready, security == .startTLS ? .startTLSNotOffered : .ready)
    case .startTLS:
      return reply.isPositive ? become(.handshake, .handshake) : end(reply)
    case .authenticating(let exchange): return answerAUTH(reply, exchange)
    case .recipients(let transaction): return answerRecipients(reply, transaction)
    case .data:
      if reply.isIntermediate { return become(.body, .sendBody) }
      if reply.isPositive { return broken("DATA was answered by \(reply.code)") }
      return become(.confirming, .refused(reply, .data))
    case .interrupted: return end(reply)
    case .final:
      if reply.isIntermediate { return broken("the final dot was answered by \(reply.code)") }
      return become(.ready, .finished(reply))
    case .resetting:
      return reply.isPositive ? become(.ready, .done) : end(reply)
    case .quitting:
      return become(.closed, .done)
    case .ready: return broken("the server said \(reply.code) unasked")
    case .handshake, .challenged, .confirming, .body, .closed: return nil
    }
  }

  private mutating func become(_ next: State, _ event: Event) -> Event {
    state = next
    return event
  }

  /// The session ends with a refusal; an answer that is none ends it as broken.
  private mutating func end(_ reply: SMTPReply) -> Event {
    let stage = stage
    guard reply.isTransient || reply.isPermanent else {
      return broken("\(stage.rawValue) was answered by \(reply.code)")
    }
    return become(.closed, .refused(reply, stage))
  }

  /// The session ends because the server is not understood.
  mutating func broken(_ reason: String) -> Event {
    become(.closed, .broken(reason: reason))
  }

  private mutating func closing(_ reply: SMTPReply) -> Event {
    switch state {
    case .final: become(.closed, .finished(reply))
    case .quitting: become(.closed, .done)
    case .authenticating(let exchange):
      become(.closed, .refused(reply.redacting(exchange.secrets), .authentication))
    default: become(.closed, .refused(reply, stage))
    }
  }

  private mutating func greet(_ reply: SMTPReply) -> Event? {
    guard reply.isPositive else { return end(reply) }
    greeting = reply
    sayEHLO()
    return nil
  }

  /// Starts, or starts again, with EHLO.
  mutating func sayEHLO() {
    output.append(text: "EHLO \(heloName)\r\n")
    state = .ehlo
  }

  private mutating func answerEHLO(_ reply: SMTPReply) -> Event? {
    if reply.isPermanent {
      output.append(text: "HELO \(heloName)\r\n")
      state = .helo
      return nil
    }
    guard reply.isPositive else { return end(reply) }
    capabilities = SMTPCapabilities(reply: reply)
    guard security == .startTLS else { return become(.ready, .ready) }
    guard capabilities.offers(.startTLS) else { return become(.ready, .startTLSNotOffered) }
    output.append("STARTTLS\r\n")
    state = .startTLS
    return nil
  }

  private mutating func answerAUTH(_ reply: SMTPReply, _ exchange: SMTPAuthExchange) -> Event? {
    if reply.isPositive { return become(.ready, .authenticated) }
    guard reply.isIntermediate else {
      return become(.ready, .authenticationFailed(reply.redacting(exchange.secrets)))
    }
    var exchange = exchange
    switch exchange.answer() {
    case .broken: return broken("the server asks for more than \(exchange) has")
    case .ask:
      // The text of a challenge is base64 and nothing else, on one line.
      let text = Array((reply.lines.first ?? "").utf8)
      return become(.challenged(exchange), .challenge(Base64.standard.decode(text.span)))
    case .line(let line):
      output.append(text: line)
      state = .authenticating(exchange)
      return nil
    }
  }

  private mutating func answerRecipients(
    _ reply: SMTPReply,
    _ transaction: SMTPTransaction
  ) -> Event? {
    var transaction = transaction
    guard transaction.answer(reply) else { return broken("\(stage.rawValue) got \(reply.code)") }
    guard !transaction.isComplete else {
      if let refusal = transaction.mailRefusal { return become(.ready, .refused(refusal, .mail)) }
      return become(.confirming, .recipients(transaction.results))
    }
    output.append(text: transaction.nextCommands())
    state = .recipients(transaction)
    return nil
  }
}
