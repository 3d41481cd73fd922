import Foundation

/// A private Kerberos realm: an MIT KDC on a free port, with users and the keys of local services.
///
/// Who speaks to it finds it by its environment, so servers and clients that use it are programs of their
/// own. A server's options name the realm; a client gets `clientEnvironment`. Nothing of the machine's own
/// configuration is read.
package final class KerberosRealm: Sendable {
  /// The realm of every principal.
  package static let name = "TEST.INVALID"
  /// The services of `localhost` that have a key, by the names that SASL has for their protocols.
  package static let services = ["imap", "pop", "smtp", "sieve", "nntp"]

  /// Where the KDC listens.
  package let port: UInt16
  private let directory: TemporaryDirectory
  private let process: ServerProcess
  private let users: [String]

  /// The keys of the services.
  package var serverKeytab: String { directory.file("server.keytab") }
  /// Where a program learns of the realm.
  package var configurationFile: String { directory.file("krb5.conf") }
  private var databaseEnvironment: [String] {
    [
      "env", "KRB5_CONFIG=\(configurationFile)", "KRB5_KDC_PROFILE=\(directory.file("kdc.conf"))",
    ]
  }

  /// Starts a realm with `users`.
  package static func start(users: [String] = ["alice", "bob"]) async throws -> KerberosRealm {
    let realm = try KerberosRealm(users)
    try await realm.prepare()
    try await realm.process.start(ports: [realm.port], logFiles: [realm.directory.file("kdc.log")])
    return realm
  }

  private init(_ users: [String]) throws {
    self.users = users
    directory = try TemporaryDirectory("kerberos")
    port = try FreePort.next()
    process = ServerProcess(
      [
        "env", "KRB5_CONFIG=\(directory.file("krb5.conf"))",
        "KRB5_KDC_PROFILE=\(directory.file("kdc.conf"))", Self.program("krb5kdc"), "-n",
      ],
      outputFile: directory.file("kdc.out")
    )
  }

  /// Stops the KDC; tickets that somebody has stay good.
  package func stop() async { await process.stop() }

  /// What a program has in its environment that gets a ticket of `user` whenever it needs one, by the user's key.
  package func clientEnvironment(_ user: String) -> [String: String] {
    [
      "KRB5_CONFIG": configurationFile, "KRB5_CLIENT_KTNAME": directory.file("\(user).keytab"),
      "KRB5CCNAME": "FILE:\(directory.file("\(user).tickets"))",
    ]
  }

  /// The program of the KDC `name`; Debian keeps them where only root looks.
  private static func program(_ name: String) -> String {
    ["/usr/sbin/\(name)", "/usr/local/sbin/\(name)"].first {
      FileManager.default.isExecutableFile(atPath: $0)
    } ?? name
  }

  private func prepare() async throws {
    try directory.write(clientConfiguration, to: "krb5.conf")
    try directory.write(serverConfiguration, to: "kdc.conf")
    let realm = Self.name
    try await Command.run(
      databaseEnvironment + [
        Self.program("kdb5_util"), "create", "-s", "-r", realm, "-P", "master",
      ]
    )
    let servicePrincipals = Self.services.map { "\($0)/localhost" }
    let lines =
      (users + servicePrincipals).map { "addprinc -randkey \($0)" }
      + users.map { "ktadd -k \(directory.file("\($0).keytab")) \($0)" }
      + servicePrincipals.map { "ktadd -k \(serverKeytab) \($0)" }
    let output = try await Command.run(
      databaseEnvironment + [Self.program("kadmin.local"), "-r", realm],
      input: Array((lines.joined(separator: "\n") + "\n").utf8)
    )
    // It ends well whatever its commands did; servers that are no longer root read their keys.
    for file in users.map({ directory.file("\($0).keytab") }) + [serverKeytab] {
      guard unsafe chmod(file, 0o644) == 0 else {
        throw TestSupportError.failed("kadmin.local made no \(file): \(output)")
      }
    }
  }

  private var clientConfiguration: String {
    """
    [libdefaults]
      default_realm = \(Self.name)
      dns_lookup_kdc = false
      dns_lookup_realm = false
      dns_canonicalize_hostname = false
      rdns = false
    [realms]
      \(Self.name) = {
        kdc = 127.0.0.1:\(port)
      }
    [domain_realm]
      localhost = \(Self.name)

    """
  }

  private var serverConfiguration: String {
    """
    [kdcdefaults]
      kdc_listen = 127.0.0.1:\(port)
      kdc_tcp_listen = 127.0.0.1:\(port)
    [realms]
      \(Self.name) = {
        database_name = \(directory.file("principal"))
        key_stash_file = \(directory.file("stash"))
        acl_file = \(directory.file("kadm5.acl"))
        max_life = 10h
      }
    [logging]
      kdc = FILE:\(directory.file("kdc.log"))

    """
  }
}
