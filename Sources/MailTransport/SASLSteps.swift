import MailProtocols
import Net

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
