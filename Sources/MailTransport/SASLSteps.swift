import MailProtocols
import Net

/// One mechanism's exchange as a client drives it, whatever the protocol that carries it.
///
///     begin → the command, with `initial` where there is one
///     challenge → `answer`, nil where the exchange is to be given up
///     success → `isProven`? · refusal → `mistake`, `hasSentProof`
struct SASLDialogue {
  /// What goes with the command; nil where the server speaks first, or takes nothing with it.
  let initial: [UInt8]?
  /// Why the exchange was given up; nil where it was not.
  private(set) var mistake: SASLError?
  private let mechanism: SASLMechanism
  private let loop: EventLoop
  private var exchange: SASLExchange

  /// Begins an exchange; `sendsInitial` where the command may carry the first response.
  init(
    _ mechanism: SASLMechanism,
    _ credentials: SASLCredentials,
    service: SASLService,
    sendsInitial: Bool,
    on loop: EventLoop
  ) async throws(SASLError) {
    self.mechanism = mechanism
    self.loop = loop
    var exchange = try SASLExchange(mechanism, credentials, service: service)
    if sendsInitial, mechanism.isClientFirst {
      (initial, exchange) = try await exchange.response(to: nil, on: loop)
    } else {
      initial = nil
    }
    self.exchange = exchange
  }

  /// The response to a challenge; nil gives the exchange up.
  mutating func answer(_ challenge: [UInt8]?) async -> [UInt8]? {
    guard mistake == nil else { return nil }
    do throws(SASLError) {
      let (response, after) = try await exchange.response(to: challenge, on: loop)
      exchange = after
      return response
    } catch {
      mistake = error
      return nil
    }
  }

  /// Whether the server's yes may be believed: whoever says so without the proof that the mechanism has is
  /// not the server.
  var isProven: Bool { mistake == nil && (exchange.isComplete || !mechanism.provesServer) }

  /// Whether the server has seen enough to know a wrong secret from a right one.
  var hasSentProof: Bool { exchange.hasSentProof }

  /// What an OAuth server says is wrong.
  var errorStatus: String? { exchange.errorStatus }

  /// What is said of a server that has not proven itself.
  static let unproven = "the server has not proven itself"
}

extension SASLExchange {
  /// The response to `challenge` and the exchange after it, made on a thread that may block where the
  /// mechanism may.
  func response(
    to challenge: [UInt8]?,
    on loop: EventLoop
  ) async throws(SASLError) -> ([UInt8], SASLExchange) {
    let before = self
    let step: @Sendable () throws(SASLError) -> ([UInt8], SASLExchange) = { () throws(SASLError) in
      var exchange = before
      let response = try exchange.respond(to: challenge)
      return (response, exchange)
    }
    guard mechanism.blocks else { return try step() }
    do {
      return try await loop.blocking.run(step)
    } catch let error as SASLError {
      throw error
    } catch {
      throw .unusable(reason: "no thread is free")
    }
  }
}

extension SASLError {
  /// What went wrong, for whoever looks at the account.
  var words: String {
    switch self {
    case .unexpectedChallenge: "the server asks for more than the mechanism has"
    case .badServer(let reason): "the server's part of the exchange is wrong: \(reason)"
    case .unusable(let reason): reason
    }
  }
}
