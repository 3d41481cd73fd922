import Foundation

/// A private Kerberos realm with a KDC of its own: `TEST.INVALID`.
///
/// Its services stand on `localhost`, and their keys in one file.
package final class KerberosRealm: Sendable {
  /// The realm's name.
  package static let name = "TEST.INVALID"

  /// What a client's and a server's library must read, as `KRB5_CONFIG`.
  package var configurationFile: String { directory.file("krb5.conf") }
  /// The keys of the services.
  package var keytab: String { directory.file("server.keytab") }
  /// Lines for Dovecot's configuration, with which it takes tickets of the realm.
  package var dovecotConfiguration: String {
    """
    auth_krb5_keytab = \(keytab)
    auth_gssapi_hostname = localhost
    import_environment = $import_environment KRB5_CONFIG=\(configurationFile)
    """
  }
  /// The password of every user.
  package let password: String
  private let directory: TemporaryDirectory
  private let process: ServerProcess
  private let port: UInt16

  /// Starts a realm with `users`, and with services such as `imap/localhost`.
  package static func start(
    users: [String] = ["alice", "bob"],
    services: [String] = ["imap", "pop", "smtp", "sieve", "HTTP"],
    password: String = "secret"
  ) async throws -> KerberosRealm {
    let realm = try KerberosRealm(password: password)
    try await realm.start(users, services)
    return realm
  }

  private static let sharedTask = Task {
    let realm = try await KerberosRealm.start()
    try await realm.makeDefault(ticketOf: "alice")
    return realm
  }

  /// The realm of this process, in which it has the ticket of `alice`, as libgsasl's GSSAPI wants it.
  package static var shared: KerberosRealm {
    get async throws { try await sharedTask.value }
  }

  private init(password: String) throws {
    self.password = password
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

  private func start(_ users: [String], _ services: [String]) async throws {
    try directory.write(clientConfiguration, to: "krb5.conf")
    try directory.write(serverConfiguration, to: "kdc.conf")
    try await administer([
      Self.program("kdb5_util"), "create", "-s", "-r", Self.name, "-P", "master",
    ])
    var lines = users.flatMap { user in
      [
        "addprinc -pw \(password) \(user)",
        "ktadd -norandkey -k \(directory.file("\(user).keytab")) \(user)",
      ]
    }
    for service in services {
      lines.append("addprinc -randkey \(service)/localhost")
      lines.append("ktadd -k \(keytab) \(service)/localhost")
    }
    try await administer(
      [Self.program("kadmin.local")],
      input: lines.joined(separator: "\n") + "\n"
    )
    // Servers drop to other users before they read it.
    guard unsafe chmod(keytab, 0o644) == 0 else {
      throw TestSupportError.failed("kadmin.local made no keytab")
    }
    try await process.start(ports: [port], logFiles: [directory.file("kdc.log")])
  }

  /// Stops the KDC; tickets stay good.
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

  /// Gets a ticket for `user` by password, and returns the name of the cache that holds it.
  package func ticket(for user: String) async throws -> String {
    let cache = "FILE:" + directory.file("\(user).\(UInt32.random(in: .min ... .max)).cc")
    try await administer(
      ["kinit", "-c", cache, "\(user)@\(Self.name)"],
      input: password + "\n"
    )
    return cache
  }

  /// Makes this the realm of the whole process, and `user` the one whose ticket it has.
  ///
  /// The environment is replaced by one assignment: another thread may be reading it, and what it reads
  /// is never freed.
  private func makeDefault(ticketOf user: String) async throws {
    let cache = try await ticket(for: user)
    var lines = ProcessInfo.processInfo.environment
    lines["KRB5_CONFIG"] = configurationFile
    lines["KRB5CCNAME"] = cache
    let count = lines.count
    let vector = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: count + 1)
    for (index, line) in lines.enumerated() {
      unsafe vector[index] = strdup("\(line.key)=\(line.value)")
    }
    unsafe vector[count] = nil
    // Swift shows the variable read-only.
    guard let variable = unsafe dlsym(nil, "environ") else {
      throw TestSupportError.failed("no environment")
    }
    unsafe variable.storeBytes(
      of: vector,
      as: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.self
    )
  }

  private func administer(_ arguments: [String], input: String = "") async throws {
    try await Command.run(
      [
        "env", "KRB5_CONFIG=\(configurationFile)",
        "KRB5_KDC_PROFILE=\(directory.file("kdc.conf"))",
      ] + arguments,
      input: Array(input.utf8)
    )
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
