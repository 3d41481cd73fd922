package import MailProtocols
package import Net

/// How a user logs in, where that is not left to the client.
package enum POP3LoginMethod: Hashable, Sendable {
  /// The best way that the server offers and the credentials serve.
  case best
  /// USER and PASS.
  case password
  /// APOP alone.
  case apop
  /// One SASL mechanism.
  case sasl(SASLMechanism)
}

extension POP3Client {
  /// Logs in by name and password; see `authenticate(_:by:deadline:)`.
  package func authenticate(
    username: String,
    password: String,
    deadline: Deadline? = nil
  ) async throws(POP3Error) {
    try await authenticate(.password(username: username, password: password), deadline: deadline)
  }

  /// Logs in, by the best way that the server offers and `credentials` serve.
  ///
  /// Under TLS the password goes as it is, by PLAIN or by USER and PASS, in one or two round trips.
  /// Without it, what reveals the password comes last, and only where nothing else was offered: a man
  /// in the middle cannot lead us there by refusals. A secret that the server could judge is not tried
  /// again by another way, since servers lock accounts after a few failures.
  ///
  /// What the server can do is known anew afterwards.
  package func authenticate(
    _ credentials: SASLCredentials,
    by method: POP3LoginMethod = .best,
    deadline: Deadline? = nil
  ) async throws(POP3Error) {
    guard session.state == .authorization else { return }
    let deadline = deadline ?? .now + timeouts.login
    if capabilities?.offers(.utf8) == true {
      // Refused by a server that would rather not (RFC 6856 §2.1): then messages come as they can.
      _ = try await reply(to: .utf8, deadline: deadline)
    }
    switch variant {
    case .standard: try await logIn(ways(credentials, method), credentials, deadline)
    case .rpop(let userID):
      try await logIn(credentials.username, deadline) { () throws(POP3InputError) in
        try .remoteUser(userID ?? credentials.username)
      }
    case .kpop:
      // The server knows by the ticket who we are and looks at no password, but waits for one.
      try await logIn(credentials.username, deadline) { () throws(POP3InputError) in
        try .password(credentials.password ?? credentials.username)
      }
    }
    try await refreshCapabilities(deadline)
  }

  // MARK: - Which way

  /// One way to log in.
  private enum Way {
    case sasl(SASLMechanism)
    case apop(POP3Timestamp)
    case password

    var revealsSecret: Bool {
      switch self {
      case .sasl(let mechanism): mechanism.revealsSecret
      case .apop: false
      case .password: true
      }
    }
  }

  private func ways(
    _ credentials: SASLCredentials,
    _ method: POP3LoginMethod
  ) throws(POP3Error) -> [Way] {
    switch method {
    case .sasl(let mechanism): return [.sasl(mechanism)]
    case .password: return [.password]
    case .apop:
      guard let timestamp = session.timestamp else { throw .unsupported("APOP") }
      return [.apop(timestamp)]
    case .best: break
    }
    let ways = best(credentials)
    guard !ways.isEmpty else { throw .unsupported(missing(credentials)) }
    return ways
  }

  private func best(_ credentials: SASLCredentials) -> [Way] {
    let offered = capabilities?.mechanisms
    // Without CAPA only what has no older form is tried blindly (RFC 5034 §3).
    let mechanisms = SASLMechanism.candidates(for: credentials, isSecure: isSecure) { mechanism in
      offered?.contains(mechanism.rawValue) ?? (credentials.password == nil)
    }
    guard credentials.password != nil else { return mechanisms.map { .sasl($0) } }
    var ways: [Way] = mechanisms.filter { !$0.revealsSecret }.map { .sasl($0) }
    if let timestamp = session.timestamp { ways.append(.apop(timestamp)) }
    var revealing: [Way] = mechanisms.filter(\.revealsSecret).map { .sasl($0) }
    // Leniency `unlistedUser`: under TLS USER is tried as the last way where CAPA does not list it.
    let isListed = capabilities.map { $0.offers(.user) } ?? true
    if isListed || (isSecure && revealing.isEmpty && ways.isEmpty) { revealing.append(.password) }
    return isSecure ? revealing + ways : ways + revealing
  }

  private func missing(_ credentials: SASLCredentials) -> String {
    let all = SASLMechanism.candidates(for: credentials, isSecure: true) { _ in true }
    let names = all.map { "SASL \($0.rawValue)" } + (credentials.password == nil ? [] : ["USER"])
    return names.joined(separator: " or ")
  }

  // MARK: - Trying them

  private enum Attempt {
    case done
    case refused(POP3Error, saysNothingOfSecret: Bool)
  }

  private func logIn(
    _ ways: [Way],
    _ credentials: SASLCredentials,
    _ deadline: Deadline
  ) async throws(POP3Error) {
    var refusal: POP3Error?
    for (index, way) in ways.enumerated() {
      // The first is tried as it is: the caller chose to log in without TLS where it reveals.
      let mayReveal = index == 0 || isSecure || ways.first?.revealsSecret == true
      guard mayReveal || !way.revealsSecret else { break }
      switch try await attempt(way, credentials, deadline) {
      case .done: return
      case .refused(let error, let saysNothingOfSecret):
        refusal = error
        // Whoever turns us away does so by any way.
        if case .turnedAway = error { throw error }
        guard saysNothingOfSecret else { throw error }
      }
    }
    if let refusal { throw refusal }
  }

  private func attempt(
    _ way: Way,
    _ credentials: SASLCredentials,
    _ deadline: Deadline
  ) async throws(POP3Error) -> Attempt {
    switch way {
    case .sasl(let mechanism): return try await attempt(mechanism, credentials, deadline)
    case .password:
      try await logIn(credentials.username, deadline) { () throws(POP3InputError) in
        try .password(credentials.password ?? "")
      }
      return .done
    case .apop(let timestamp):
      let command = try checked { () throws(POP3InputError) in
        try .apop(
          credentials.username,
          password: credentials.password ?? "",
          timestamp: timestamp
        )
      }
      let reply = try await reply(to: command, deadline: deadline)
      return reply.isPositive ? .done : .refused(refusal(reply), saysNothingOfSecret: false)
    }
  }

  /// USER, and the command that proves the name.
  private func logIn(
    _ username: String,
    _ deadline: Deadline,
    by second: () throws(POP3InputError) -> POP3Command
  ) async throws(POP3Error) {
    let user = try checked { () throws(POP3InputError) in try .user(username) }
    let proof = try checked(second)
    for command in [user, proof] {
      let reply = try await reply(to: command, deadline: deadline)
      guard reply.isPositive else { throw refusal(reply) }
    }
  }

  private func checked(
    _ command: () throws(POP3InputError) -> POP3Command
  ) throws(POP3Error) -> POP3Command {
    do throws(POP3InputError) {
      return try command()
    } catch {
      throw .invalid(error)
    }
  }

  // MARK: - One mechanism

  private func attempt(
    _ mechanism: SASLMechanism,
    _ credentials: SASLCredentials,
    _ deadline: Deadline
  ) async throws(POP3Error) -> Attempt {
    try await begin(deadline)
    defer { end() }
    var exchange: SASLExchange
    var initial: [UInt8]?
    do throws(SASLError) {
      exchange = try SASLExchange(mechanism, credentials, service: service)
      if mechanism.isClientFirst { initial = try await respond(to: nil, &exchange) }
    } catch {
      return .refused(.authenticationFailed(response: error.words), saysNothingOfSecret: true)
    }
    // A server that does not list SASL must get no initial response (RFC 5034 §3).
    let (command, isInitialSent) = POP3Command.authenticate(
      mechanism,
      initialResponse: capabilities?.offers(.sasl) == true ? initial : nil,
      secrets: credentials.secrets
    )
    try send(command)
    let end = try await answerChallenges(initial, &exchange, deadline)
    guard end.reply.isPositive else {
      var error = refusal(end.reply, reported: exchange.errorStatus)
      if let mistake = end.mistake { error = .authenticationFailed(response: mistake.words) }
      let hasSentAll = isInitialSent || !end.isInitialHeld
      return .refused(error, saysNothingOfSecret: !(hasSentAll && exchange.hasSentProof))
    }
    // Whoever says +OK without the proof that the mechanism has is not the server.
    guard end.mistake == nil, exchange.isComplete || !mechanism.provesServer else {
      throw fail(.authenticationFailed(response: "the server has not proven itself"))
    }
    return .done
  }

  /// How AUTH ended.
  private struct ExchangeEnd {
    let reply: POP3Reply
    /// What was wrong with the server's part, for which we gave up.
    let mistake: SASLError?
    /// Whether the initial response was not asked for.
    let isInitialHeld: Bool
  }

  /// Answers until the command has ended.
  ///
  /// An empty first challenge asks for the initial response: it was not sent, or (leniency
  /// `ignoredInitialResponse`) not looked at, as RFC 1734 had none. One that is no base64 counts as
  /// empty (leniency `textChallenge`).
  private func answerChallenges(
    _ initial: [UInt8]?,
    _ exchange: inout SASLExchange,
    _ deadline: Deadline
  ) async throws(POP3Error) -> ExchangeEnd {
    var initial = initial
    var mistake: SASLError?
    while true {
      switch try await nextEvent(deadline) {
      case .completed(let reply):
        return ExchangeEnd(reply: reply, mistake: mistake, isInitialHeld: initial != nil)
      case .challenge(let challenge):
        guard mistake == nil else {
          throw fail(.broken(reason: "the server asks on after AUTH was given up"))
        }
        if let response = initial, challenge?.isEmpty ?? true {
          session.respond(response)
        } else {
          do throws(SASLError) {
            session.respond(try await respond(to: challenge, &exchange))
          } catch {
            mistake = error
            session.respond(nil)
          }
        }
        initial = nil
      default: throw astray()
      }
    }
  }

  /// A step of `exchange`, on a thread that may block where it may.
  private func respond(
    to challenge: [UInt8]?,
    _ exchange: inout SASLExchange
  ) async throws(SASLError) -> [UInt8] {
    let (response, after) = try await exchange.response(to: challenge, on: stream.loop)
    exchange = after
    return response
  }

  /// What a `-ERR` to a login means.
  private func refusal(_ reply: POP3Reply, reported: String? = nil) -> POP3Error {
    let text = [reply.text, reported.map { "(\($0))" } ?? ""].filter { !$0.isEmpty }
      .joined(separator: " ")
    switch reply.refusal {
    case .credentials, .needsUTF8: return .authenticationFailed(response: text)
    case .unknown:
      // Whoever promises AUTH for every wrong secret means something else here (RFC 3206 §5).
      guard capabilities?.offers(.authResponseCode) == true, reported == nil else {
        return .authenticationFailed(response: text)
      }
      return .turnedAway(.temporary, response: text)
    case let refusal: return .turnedAway(refusal, response: text)
    }
  }
}
