import ArgumentParser
import Engine
import Foundation
import MailProtocols
import MailTransport
import Model
import Net

/// The flags of the listeners that take mail.
struct MailListenerOptions: ParsableArguments {
  @Option(help: "HOST:PORT where mail is taken by SMTP (RESTANTE_SMTP_LISTEN; default: nowhere).")
  var smtpListen: String?

  @Option(
    help:
      "HOST:PORT or unix:PATH where mail is taken by LMTP (RESTANTE_LMTP_LISTEN; default: nowhere)."
  )
  var lmtpListen: String?

  @Option(help: "The PEM certificate that the SMTP listener shows (RESTANTE_TLS_CERTIFICATE).")
  var tlsCertificate: String?

  @Option(help: "The PEM file with its key (RESTANTE_TLS_KEY).")
  var tlsKey: String?

  @Option(
    help: "What the listeners call themselves (RESTANTE_MAIL_HOST; default: the machine's name)."
  )
  var mailHost: String?

  @Option(
    help:
      "The address or id of the account that gets the postmaster's mail (RESTANTE_POSTMASTER; default: the oldest of the domain)."
  )
  var postmaster: String?

  @Option(
    name: .customLong("relay-network"),
    help: "A network that may send as any account without signing in (RESTANTE_RELAY_NETWORK)."
  )
  var relayNetworks: [String] = []

  /// Puts what was given over what the settings say.
  func apply(to settings: inout Settings) {
    settings.smtpListen = smtpListen ?? settings.smtpListen
    settings.lmtpListen = lmtpListen ?? settings.lmtpListen
    settings.tlsCertificate = tlsCertificate ?? settings.tlsCertificate
    settings.tlsKey = tlsKey ?? settings.tlsKey
    settings.mailHost = mailHost ?? settings.mailHost
    settings.postmaster = postmaster ?? settings.postmaster
    settings.relayNetworks += relayNetworks
  }
}

/// The listeners that take mail, none to two of them.
struct MailListeners {
  /// What was asked for, looked through before anything is made.
  struct Plan {
    let smtp: SocketAddress?
    let lmtp: SocketAddress?
    let tls: TLSServerContext?
    let hostName: String
    let postmaster: String?
    let relayNetworks: [CIDR]
    var limits = SMTPServerLimits()

    init(_ settings: Settings) throws {
      smtp = try settings.smtpListen.map(settings.address)
      lmtp = try settings.lmtpListen.map(settings.address)
      relayNetworks = try Settings.networks(settings.relayNetworks)
      hostName = settings.mailHost ?? Self.machineName()
      postmaster = try Self.postmaster(settings)
      tls = try Self.certificate(settings)
      if let delay = settings.greetDelayMilliseconds { limits.greetDelay = .milliseconds(delay) }
      if let count = settings.smtpConnectionsPerAddress { limits.connectionsPerAddress = count }
    }

    /// What names an account in any case: whether there is one is looked at when mail comes.
    private static func postmaster(_ settings: Settings) throws -> String? {
      guard let name = settings.postmaster else { return nil }
      guard name.contains("@") || ID<Account>(text: name) != nil else {
        throw ValidationError("\(name) is neither an address nor the id of an account.")
      }
      return name
    }

    private static func certificate(_ settings: Settings) throws -> TLSServerContext? {
      switch (settings.tlsCertificate, settings.tlsKey) {
      case (nil, nil): return nil
      case (let certificate?, let key?):
        for file in [certificate, key] { try ReadableFile.check(file) }
        do throws(NetError) {
          return try TLSServerContext(certificateFile: certificate, keyFile: key)
        } catch NetError.tls(let reason) {
          throw StartError("The certificate or its key cannot be used: \(reason).")
        }
      default: throw ValidationError("A certificate and its key come together.")
      }
    }

    private static func machineName() -> String {
      var buffer = [CChar](repeating: 0, count: 256)
      guard unsafe gethostname(&buffer, buffer.count - 1) == 0 else { return "localhost" }
      let name = buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
      return name.isEmpty ? "localhost" : String(decoding: name, as: UTF8.self)
    }
  }

  private let smtp: SMTPServer<MailReceiver>?
  private let lmtp: SMTPServer<MailReceiver>?

  /// Binds what was asked for.
  init(_ plan: Plan, _ engine: Engine, _ group: EventLoopGroup) async throws {
    let receiver = MailReceiver(
      engine,
      relayNetworks: plan.relayNetworks,
      hostName: plan.hostName,
      postmaster: plan.postmaster
    )
    func open(
      _ kind: SMTPServerSession.Kind,
      at address: SocketAddress?,
      _ tls: TLSServerContext?
    ) async throws -> SMTPServer<MailReceiver>? {
      guard let address else { return nil }
      let settings = SMTPServerSettings(
        kind,
        hostName: plan.hostName,
        tls: tls,
        limits: plan.limits
      )
      return try await ServeCommand.listening(at: address) {
        try await SMTPServer(listener: address, group: group, settings, handler: receiver)
      }
    }
    smtp = try await open(.smtp, at: plan.smtp, plan.tls)
    lmtp = try await open(.lmtp, at: plan.lmtp, nil)
  }

  /// Where mail is taken by SMTP, as text.
  var smtpAddress: String? { smtp.map { "\($0.localAddress)" } }

  /// What is said of them at the start.
  var lines: [String] {
    [("SMTP", smtp), ("LMTP", lmtp)].compactMap { name, server in
      server.map { "Mail is taken by \(name) at \($0.localAddress)." }
    }
  }

  /// Serves until `shutdown`.
  func run() async throws {
    async let taking: Void? = smtp?.run()
    try await lmtp?.run()
    _ = try await taking
  }

  /// Takes nothing more; messages under way may end until `deadline`.
  func shutdown(deadline: Deadline) async {
    async let stopping: Void? = smtp?.shutdown(deadline: deadline)
    await lmtp?.shutdown(deadline: deadline)
    _ = await stopping
  }
}
