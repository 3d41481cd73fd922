import Foundation

/// A private Postfix that takes mail from users and hands mail for `test.invalid` to Dovecot.
///
/// Mail for any other domain is taken from users and thrown away. Postfix can only be started by
/// root; another user needs a `sudo` that asks for no password.
package final class PostfixServer: Sendable {
  /// What a test may want to be different.
  package struct Options: Sendable {
    /// Whether a password is taken only after STARTTLS.
    package var requiresTLS = false
    /// The largest message taken, in bytes.
    package var messageSizeLimit = 52_428_800
    /// The certificate that the server shows.
    package var certificate = TestCertificates.Kind.valid
    /// Lines at the end of `main.cf`, such as restrictions that refuse somebody.
    package var extraConfiguration = ""

    /// The usual server.
    package init() {}
  }

  /// Where the server listens.
  package let host = "127.0.0.1"
  /// The port of submission with STARTTLS and AUTH.
  package let smtpPort: UInt16
  /// The port of submission with implicit TLS and AUTH.
  package let smtpsPort: UInt16
  /// The port for other servers: no AUTH, only mail for `test.invalid`.
  package let mxPort: UInt16
  /// The certificates behind TLS.
  package let certificates: TestCertificates

  private let dovecot: DovecotServer
  private let directory: TemporaryDirectory
  private let options: Options
  private let process: ServerProcess

  /// The authority that a client must trust.
  package var caFile: String { certificates.caFile }
  /// The file of the server's log.
  package var logFile: String { directory.file("maillog") }

  /// Starts a server that checks passwords with `dovecot` and delivers to it.
  package static func start(
    deliveringTo dovecot: DovecotServer,
    options: Options = Options()
  ) async throws -> PostfixServer {
    let server = try PostfixServer(dovecot: dovecot, options: options)
    try await server.prepare()
    try await server.start()
    return server
  }

  private init(dovecot: DovecotServer, options: Options) throws {
    self.dovecot = dovecot
    self.options = options
    certificates = dovecot.certificates
    directory = try TemporaryDirectory("postfix")
    smtpPort = try FreePort.next()
    smtpsPort = try FreePort.next()
    mxPort = try FreePort.next()
    process = ServerProcess(
      Command.asRoot([
        "setpriv", "--pdeathsig", "KILL", "--", "/usr/lib/postfix/sbin/master", "-s",
        "-c", directory.file("etc"),
      ]),
      outputFile: directory.file("postfix.out")
    )
    try directory.makeDirectory("etc")
    try directory.write(mainConfiguration, to: "etc/main.cf")
    try directory.write(masterConfiguration, to: "etc/master.cf")
  }

  /// Starts the server, again on the same ports after `stop()`; what was queued is still there.
  package func start() async throws {
    try await process.start(ports: [smtpPort, smtpsPort, mxPort], logFiles: [logFile])
  }

  /// Stops the server.
  package func stop() async { await process.stop() }

  /// Kills the server and its children at once.
  package func kill() { process.kill() }

  /// Stops the server and starts it on the same ports.
  package func restart() async throws {
    await stop()
    try await start()
  }

  /// The server's log so far.
  package func log() throws -> String {
    try String(contentsOfFile: logFile, encoding: .utf8)
  }

  /// Makes the queue's folders, which Postfix's own start script would do in some seconds.
  private func prepare() async throws {
    let script = """
      set -e; umask 022; cd "$1"
      mkdir queue data queue/pid
      for d in active bounce corrupt defer deferred flush hold incoming private saved trace; do
        install -d -o postfix -m 700 "queue/$d"; done
      install -d -o postfix -g postdrop -m 730 queue/maildrop
      install -d -o postfix -g postdrop -m 710 queue/public
      chown postfix data; chown root etc etc/main.cf etc/master.cf
      """
    try await Command.run(Command.asRoot(["sh", "-c", script, "sh", directory.path]))
  }

  private var mainConfiguration: String {
    """
    compatibility_level = 3.6
    queue_directory = \(directory.path)/queue
    data_directory = \(directory.path)/data
    daemon_directory = /usr/lib/postfix/sbin
    command_directory = /usr/sbin
    mail_owner = postfix
    setgid_group = postdrop
    maillog_file = \(logFile)
    maillog_file_prefixes = \(directory.path)
    myhostname = mail.\(DovecotServer.domain)
    mydomain = \(DovecotServer.domain)
    myorigin = \(DovecotServer.domain)
    mydestination =
    mynetworks =
    inet_interfaces = 127.0.0.1
    inet_protocols = ipv4
    alias_maps =
    alias_database =
    local_recipient_maps =
    smtputf8_enable = yes
    message_size_limit = \(options.messageSizeLimit)
    mailbox_size_limit = 0
    virtual_mailbox_domains = \(DovecotServer.domain)
    virtual_transport = lmtp:inet:127.0.0.1:\(dovecot.lmtpPort)
    default_transport = discard
    smtpd_tls_cert_file = \(certificates.certificateFile(options.certificate))
    smtpd_tls_key_file = \(certificates.keyFile(options.certificate))
    smtpd_tls_security_level = may
    smtpd_tls_auth_only = \(options.requiresTLS ? "yes" : "no")
    smtpd_sasl_type = dovecot
    smtpd_sasl_path = \(dovecot.authSocket)
    smtpd_recipient_restrictions = permit_sasl_authenticated, reject_unauth_destination
    smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
    smtpd_client_connection_count_limit = 0
    smtpd_client_connection_rate_limit = 0
    smtpd_peername_lookup = no
    disable_vrfy_command = yes
    minimal_backoff_time = 2s
    maximal_backoff_time = 5s
    queue_run_delay = 2s
    in_flow_delay = 0
    \(options.extraConfiguration)

    """
  }

  private var masterConfiguration: String {
    """
    127.0.0.1:\(smtpPort) inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes
    127.0.0.1:\(smtpsPort) inet n - n - - smtpd
      -o smtpd_sasl_auth_enable=yes -o smtpd_tls_wrappermode=yes
    127.0.0.1:\(mxPort) inet n - n - - smtpd
    pickup unix n - n 60 1 pickup
    cleanup unix n - n - 0 cleanup
    qmgr unix n - n 300 1 qmgr
    tlsmgr unix - - n 1000? 1 tlsmgr
    rewrite unix - - n - - trivial-rewrite
    bounce unix - - n - 0 bounce
    defer unix - - n - 0 bounce
    trace unix - - n - 0 bounce
    verify unix - - n - 1 verify
    flush unix n - n 1000? 0 flush
    proxymap unix - - n - - proxymap
    smtp unix - - n - - smtp
    relay unix - - n - - smtp
    showq unix n - n - - showq
    error unix - - n - - error
    retry unix - - n - - error
    discard unix - - n - - discard
    lmtp unix - - n - - lmtp
    anvil unix - - n - 1 anvil
    scache unix - - n - 1 scache
    postlog unix-dgram n - n - 1 postlogd

    """
  }
}
