import Foundation

/// A private Cyrus: IMAP and ManageSieve of another family than Dovecot's, over a spool of its own.
///
/// Its Debian packages conflict with Dovecot's, so `.ci/install` unpacks them into a folder; where
/// that was not done, suites that need it are skipped. Users log in by their short name.
package final class CyrusServer: Sendable {
  /// Where the unpacked server stands; nil where it does not.
  package static let folder: String? = {
    let home = ProcessInfo.processInfo.environment["HOME"] ?? "/root"
    let cache = ProcessInfo.processInfo.environment["XDG_CACHE_HOME"] ?? "\(home)/.cache"
    return ["/var/cache/restante-cyrus", "\(cache)/restante-cyrus"].first {
      FileManager.default.isExecutableFile(atPath: "\($0)/usr/lib/cyrus/bin/master")
    }
  }()

  /// Where the server listens.
  package let host = "127.0.0.1"
  package let imapPort: UInt16
  package let sievePort: UInt16
  /// The password of every user.
  package let password = "secret"

  private let directory: TemporaryDirectory
  private let process: ServerProcess
  private let programs: String
  private let users: [String]
  private let isRoot = getuid() == 0

  /// The file of what the server printed.
  package var outputFile: String { process.outputFile }

  /// Starts a server with `users`, whose mailboxes come into being when they first log in.
  package static func start(users: [String] = ["alice", "bob"]) async throws -> CyrusServer {
    let server = try CyrusServer(users: users)
    try await server.prepare()
    try await server.process.start(ports: [server.imapPort, server.sievePort])
    return server
  }

  private init(users: [String]) throws {
    guard let folder = Self.folder else {
      throw TestSupportError.failed("Cyrus is not unpacked: run .ci/install")
    }
    self.users = users
    programs = "\(folder)/usr/lib/cyrus/bin"
    directory = try TemporaryDirectory("cyrus")
    imapPort = try FreePort.next()
    sievePort = try FreePort.next()
    let libraries = try FileManager.default.contentsOfDirectory(atPath: "\(folder)/usr/lib")
      .filter { $0.hasSuffix("-linux-gnu") }.map { "\(folder)/usr/lib/\($0)" }
    process = ServerProcess(
      [
        "env", "LD_LIBRARY_PATH=\(libraries.joined(separator: ":"))",
        "CYRUS_USER=\(isRoot ? "nobody" : NSUserName())",
        "\(programs)/master", "-C", directory.file("imapd.conf"),
        "-M", directory.file("cyrus.conf"), "-p", directory.file("master.pid"),
      ],
      outputFile: directory.file("cyrus.out")
    )
  }

  /// Stops the server and with it every session.
  package func stop() async { await process.stop() }

  private static let folders = [
    "conf", "conf/socket", "spool", "sieve", "proc", "lock", "sock", "tmp",
  ]

  private func prepare() async throws {
    for name in Self.folders { try directory.makeDirectory(name) }
    try directory.write(configuration, to: "imapd.conf")
    try directory.write(services, to: "cyrus.conf")
    for user in users {
      try await Command.run(
        [
          "/usr/sbin/saslpasswd2", "-p", "-c", "-f", directory.file("sasldb2"), "-u", "localhost",
          user,
        ],
        input: Array(password.utf8)
      )
    }
    guard isRoot else { return }
    for name in Self.folders + ["sasldb2"] {
      guard unsafe chown(directory.file(name), 65534, 65534) == 0 else {
        throw TestSupportError.failed("chown \(name): errno \(errno)")
      }
    }
  }

  /// `twoskip` everywhere: the default of 3.6 rewrites a database at every delivery.
  private var configuration: String {
    """
    configdirectory: \(directory.file("conf"))
    partition-default: \(directory.file("spool"))
    defaultpartition: default
    proc_path: \(directory.file("proc"))
    mboxname_lockpath: \(directory.file("lock"))
    temp_path: \(directory.file("tmp"))
    sievedir: \(directory.file("sieve"))
    sieveusehomedir: no
    idlesocket: \(directory.file("sock/idle"))
    notifysocket: \(directory.file("sock/notify"))
    admins: cyrus
    altnamespace: yes
    unixhierarchysep: yes
    virtdomains: off
    servername: localhost
    allowplaintext: yes
    sasl_pwcheck_method: auxprop
    sasl_auxprop_plugin: sasldb
    sasl_sasldb_path: \(directory.file("sasldb2"))
    sasl_mech_list: PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256
    autocreate_quota: 0
    autocreate_inbox_folders: Drafts|Sent|Trash|Junk|Archive
    autocreate_subscribe_folders: Drafts|Sent|Trash|Junk|Archive
    xlist-drafts: Drafts
    xlist-sent: Sent
    xlist-trash: Trash
    xlist-junk: Junk
    xlist-archive: Archive
    conversations: 1
    conversations_db: twoskip
    annotation_db: twoskip
    mboxlist_db: twoskip
    statuscache_db: twoskip
    seenstate_db: twoskip
    expunge_mode: immediate
    delete_mode: immediate
    duplicatesuppression: no

    """
  }

  private var services: String {
    let file = directory.file("imapd.conf")
    return """
      START {
        recover cmd="\(programs)/ctl_cyrusdb -C \(file) -r"
        idled cmd="\(programs)/idled -C \(file)"
      }
      SERVICES {
        imap cmd="\(programs)/imapd -C \(file) -U 100" listen="127.0.0.1:\(imapPort)" prefork=1
        sieve cmd="\(programs)/timsieved -C \(file)" listen="127.0.0.1:\(sievePort)" prefork=0
      }
      EVENTS {
        checkpoint cmd="\(programs)/ctl_cyrusdb -C \(file) -c" period=30
      }

      """
  }
}
