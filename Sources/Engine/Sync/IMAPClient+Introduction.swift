import MailProtocols
import MailTransport
import Net

extension IMAPClient {
  /// Tells the server who we are (RFC 2971) and turns `wanted` on (RFC 5161), in one write.
  ///
  /// Both once a connection, and neither needed: a refusal is passed over. Some servers (NetEase) open
  /// no mailbox for a client that did not say who it is.
  func introduce(
    _ configuration: EngineConfiguration,
    enabling wanted: [IMAPCapability] = []
  ) async throws(IMAPError) {
    var commands: [IMAPCommand] = []
    if capabilities.contains(.id) { commands.append(.id(configuration.identification)) }
    let known = wanted.filter { capabilities.contains($0) }
    if capabilities.contains(.enable), !known.isEmpty { commands.append(.enable(known)) }
    guard !commands.isEmpty else { return }
    _ = try await pipeline(commands, deadline: .after(configuration.connectTimeout)) { response in
      // Kept by the session, or of no use here; neither is news of a mailbox.
      switch response {
      case .id, .enabled: true
      default: false
      }
    }
  }
}
