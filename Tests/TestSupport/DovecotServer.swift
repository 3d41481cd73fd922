import Foundation
import Net
import Synchronization

/// A private Dovecot: IMAP, POP3, LMTP and ManageSieve over a Maildir of its own.
///
/// It runs as the user who runs the tests; as root, mail belongs to `nobody`. Users log in by their
/// short name (`alice`) or their address (`alice@test.invalid`).
package final class DovecotServer: Sendable {
  /// What a test may want to be different.
  package struct Options: Sendable {
    /// The capabilities after login, to play a poorer server; nil for all that Dovecot has.
    package var capabilities: String?
    /// The certificate that the server shows.
    package var certificate = TestCertificates.Kind.valid
    /// Whether a password is taken without TLS.
    package var allowsCleartextPasswords = true
    /// The hierarchy delimiter.
    package var delimiter = "/"
    /// What every mailbox's name but INBOX begins with, such as `INBOX/`.
    package var prefix = ""
    /// The SASL mechanisms.
    package var mechanisms = "plain login cram-md5 scram-sha-1 scram-sha-256 xoauth2 oauthbearer"
    /// The realm whose tickets are taken; GSSAPI is then among the mechanisms.
    package var realm: KerberosRealm?
    /// Lines at the end of the configuration.
    package var extraConfiguration = ""

    /// The usual server.
    package init() {}

    /// A server on which `doveadm acl` says what may be done with a mailbox.
    package static var withRights: Options {
      var options = Options()
      options.extraConfiguration = """
        protocol imap {
          mail_plugins = $mail_plugins acl
        }
        protocol doveadm {
          mail_plugins = $mail_plugins acl
        }
        plugin {
          acl = vfile
        }
        """
      return options
    }

    /// A server with only these capabilities.
    package init(capabilities: String) { self.capabilities = capabilities }
  }

  /// The domain of every user's address.
  package static let domain = "test.invalid"

  /// Where the server listens.
  package let host = "127.0.0.1"
  package let imapPort: UInt16
  package let imapsPort: UInt16
  package let pop3Port: UInt16
  package let pop3sPort: UInt16
  package let lmtpPort: UInt16
  package let sievePort: UInt16
  /// The certificates behind the TLS ports.
  package let certificates: TestCertificates
  /// The password of every user who was not given one.
  package let password: String
  /// What the server was started with.
  package let options: Options

  let directory: TemporaryDirectory
  private let process: ServerProcess
  private let users: Mutex<[(name: String, password: String)]>
  /// Users that the file holds from the start and that nobody has taken yet.
  ///
  /// The server looks at most once a second whether the file has changed, so that a user added in the
  /// same second as a look is not there yet.
  private let spareUsers: Mutex<[String]>

  /// The authority that a client must trust.
  package var caFile: String { certificates.caFile }
  /// The file of the server's log.
  package var logFile: String { directory.file("dovecot.log") }
  /// The socket by which other servers check passwords.
  package var authSocket: String { directory.file("run/auth-client") }
  var configurationFile: String { directory.file("dovecot.conf") }

  /// Starts a server with `users`, each with `password`.
  package static func start(
    users: [String] = ["alice", "bob", "carol"],
    password: String = "secret",
    options: Options = Options()
  ) async throws -> DovecotServer {
    let server = try DovecotServer(
      users: users,
      password: password,
      options: options,
      certificates: try await TestCertificates.shared
    )
    try await server.start()
    return server
  }

  private static let sharedTask = Task { try await DovecotServer.start(users: []) }

  /// One server that all tests of this process share; each test takes a `newUser()` of its own.
  package static var shared: DovecotServer {
    get async throws { try await sharedTask.value }
  }

  private init(
    users: [String],
    password: String,
    options: Options,
    certificates: TestCertificates
  ) throws {
    self.certificates = certificates
    self.password = password
    self.options = options
    let spare = (0..<500).map { _ in Self.newName() }
    spareUsers = Mutex(spare)
    self.users = Mutex((users + spare).map { ($0, password) })
    directory = try TemporaryDirectory("dovecot")
    imapPort = try FreePort.next()
    imapsPort = try FreePort.next()
    pop3Port = try FreePort.next()
    pop3sPort = try FreePort.next()
    lmtpPort = try FreePort.next()
    sievePort = try FreePort.next()
    process = ServerProcess(
      ["dovecot", "-F", "-c", directory.file("dovecot.conf")],
      outputFile: directory.file("dovecot.out")
    )
    for name in ["run", "state", "mail", "tmp"] { try directory.makeDirectory(name) }
    for name in ["mail", "tmp"] { try giveToMailUser(directory.file(name)) }
    try directory.write(configuration, to: "dovecot.conf")
    try writeUsers()
    try writeTokenKey()
  }

  /// Starts the server, again on the same ports after `stop()` or `kill()`.
  package func start() async throws {
    try await process.start(
      ports: [imapPort, imapsPort, pop3Port, pop3sPort, lmtpPort, sievePort],
      logFiles: [logFile]
    )
  }

  /// Stops the server and with it every session; the mail stays.
  package func stop() async { await process.stop() }

  /// Kills the server and its sessions at once.
  package func kill() { process.kill() }

  /// Adds a user, or gives one another password.
  package func addUser(_ name: String, password: String? = nil) throws {
    try users.withLock { users in
      users.removeAll { $0.name == name }
      users.append((name, password ?? self.password))
      try write(users)
    }
  }

  /// Adds a user with a name that no other test has, and returns the name.
  package func newUser() throws -> String {
    if let name = spareUsers.withLock({ $0.popLast() }) { return name }
    let name = Self.newName()
    try addUser(name)
    return name
  }

  private static func newName() -> String {
    "user" + String(UInt64.random(in: .min ... .max), radix: 36)
  }

  /// The address of `user`.
  package func address(of user: String) -> String {
    user.contains("@") ? user : "\(user)@\(Self.domain)"
  }

  /// Runs `doveadm` on this server, as `["mailbox", "list", "-u", address]`, and returns its output.
  @discardableResult
  package func doveadm(_ arguments: [String], input: [UInt8] = []) async throws -> String {
    try await Command.run(["doveadm", "-c", configurationFile] + arguments, input: input)
  }

  /// Puts `message` into a mailbox of `user`, which is made if need be, as another client would.
  package func deliver(
    _ message: [UInt8],
    to user: String,
    mailbox: String = "INBOX"
  ) async throws {
    let address = address(of: user)
    if mailbox != "INBOX" {
      // It may exist; if it cannot be made, saving says so.
      _ = try? await doveadm(["mailbox", "create", "-s", "-u", address, mailbox])
    }
    try await doveadm(["save", "-u", address, "-m", mailbox], input: message)
  }

  /// Hands `message` over by LMTP, as a mail server would: the user's Sieve script is run on it.
  package func bring(
    _ message: String,
    from sender: String = "bob@example.net",
    to user: String
  ) async throws {
    guard let lmtp = SocketAddress(ip: host, port: lmtpPort) else { return }
    let client = try await RawMailClient.greeted(lmtp, hello: "LHLO client.example")
    defer { client.close() }
    let ends = try await client.bring(
      from: sender,
      to: address(of: user),
      isLMTP: true,
      message: message
    )
    guard ends.allSatisfy({ $0.hasPrefix("250") }), !ends.isEmpty else {
      throw TestSupportError.failed("LMTP: \(ends)")
    }
  }

  /// The number of messages in a mailbox, as the server counts them.
  package func messageCount(user: String, mailbox: String = "INBOX") async throws -> Int {
    let line = try await doveadm(
      ["-f", "tab", "mailbox", "status", "-u", address(of: user), "messages", mailbox])
    return line.split(separator: "\n").last?.split(separator: "\t").last.flatMap { Int($0) } ?? -1
  }

  /// The bytes of every message in a mailbox, in the order of UIDs.
  package func messages(user: String, mailbox: String = "INBOX") async throws -> [String] {
    let text = try await doveadm(
      ["-f", "pager", "fetch", "-u", address(of: user), "text", "mailbox", mailbox, "all"])
    return text.split(separator: "\u{0C}\n").map { part in
      String(part.drop { $0 != "\n" }.dropFirst())
    }.filter { !$0.isEmpty }
  }

  /// Takes away the indexes of `user`'s mailboxes while the server is stopped, as an administrator would who finds them broken.
  package func dropIndexes(of user: String) throws {
    try remove(["dovecot.index", "dovecot.list.index"], of: user)
  }

  /// Takes away the index that says which mailboxes `user` has: sessions go on with what they know, others make a new one.
  package func dropListIndex(of user: String) throws {
    try remove(["dovecot.list.index"], of: user)
  }

  private func remove(_ names: [String], of user: String) throws {
    let folder = directory.file("mail/\(address(of: user))/maildir")
    for file in try FileManager.default.subpathsOfDirectory(atPath: folder)
    where names.contains(where: file.contains) {
      try FileManager.default.removeItem(atPath: "\(folder)/\(file)")
    }
  }

  /// Ends every session of `user`, as an administrator would.
  package func kick(_ user: String) async throws {
    // doveadm reports "no sessions" as a failure, which is what was wanted.
    _ = try await Command.status(["doveadm", "-c", configurationFile, "kick", address(of: user)])
  }

  /// How many sessions `user` has, also those whose client is gone already.
  package func sessions(of user: String) async throws -> Int {
    let lines = try await doveadm(["-f", "tab", "who", "-1", address(of: user)])
    return lines.split(separator: "\n").count - 1
  }

  /// The server's log so far.
  package func log() throws -> String {
    try String(contentsOfFile: logFile, encoding: .utf8)
  }

  /// The bytes that each ended IMAP session of `user` sent and got, by the server's own count.
  package func endedSessions(of user: String) throws -> [(received: Int, sent: Int)] {
    try log().split(separator: "\n").compactMap { line in
      guard line.contains("imap(\(address(of: user)))"), let start = line.range(of: " in=") else {
        return nil
      }
      let words = line[start.lowerBound...].split(separator: " ")
      func number(_ name: String) -> Int? {
        words.first { $0.hasPrefix(name + "=") }.flatMap { Int($0.dropFirst(name.count + 1)) }
      }
      guard let received = number("in"), let sent = number("out") else { return nil }
      return (received, sent)
    }
  }

  private func writeUsers() throws {
    try users.withLock { try write($0) }
  }

  /// Writes the file of users; under the lock, so that of two the one with more users is the last.
  private func write(_ users: [(name: String, password: String)]) throws {
    let text = users.map { "\($0.name)@\(Self.domain):{PLAIN}\($0.password)::::::\n" }.joined()
    // By a rename: the server may be reading it.
    let new = try directory.write(text, to: "users.\(UInt32.random(in: .min ... .max))")
    guard unsafe rename(new, directory.file("users")) == 0 else {
      throw TestSupportError.failed("rename \(new): errno \(errno)")
    }
  }

  /// Hands a path to the user who owns mail, where that is another one.
  func giveToMailUser(_ path: String) throws {
    guard getuid() == 0, unsafe chown(path, 65534, 65534) != 0 else { return }
    throw TestSupportError.failed("chown \(path): errno \(errno)")
  }
}
