import Foundation

/// A certificate authority of the tests' own, with a good server certificate and two bad ones.
package final class TestCertificates: Sendable {
  /// Which certificate a server shows.
  package enum Kind: String, Sendable, CaseIterable {
    /// For `localhost`, `*.test.invalid`, 127.0.0.1 and ::1.
    case valid
    /// For the same names, but its time is over.
    case expired
    /// For `elsewhere.invalid` alone.
    case otherName
    /// For the right names, but signed by itself.
    case selfSigned
  }

  private let directory: TemporaryDirectory

  /// The file of the authority's certificate: what a client must trust.
  package var caFile: String { directory.file("ca.pem") }

  /// The file of a server certificate.
  package func certificateFile(_ kind: Kind = .valid) -> String {
    directory.file("\(kind.rawValue).pem")
  }

  /// The file of a server certificate's private key.
  package func keyFile(_ kind: Kind = .valid) -> String { directory.file("\(kind.rawValue).key") }

  /// The SHA-256 digest of a server certificate in DER form, as a client pins it.
  package func fingerprint(_ kind: Kind = .valid) async throws -> [UInt8] {
    let line = try await Command.run([
      "openssl", "x509", "-in", certificateFile(kind), "-noout", "-fingerprint", "-sha256",
    ])
    let digits = line.split(separator: "=").last.map(String.init) ?? ""
    return digits.split(separator: ":").compactMap {
      UInt8($0.trimmingCharacters(in: .whitespacesAndNewlines), radix: 16)
    }
  }

  private static let task = Task { try await TestCertificates() }

  /// The authority that all tests of this process use.
  package static var shared: TestCertificates {
    get async throws { try await task.value }
  }

  private init() async throws {
    directory = try TemporaryDirectory("certificates")
    try directory.write(Self.configuration(directory.path), to: "ca.cnf")
    try directory.write("", to: "index.txt")
    try directory.write("1000\n", to: "serial")
    try await makeAuthority()
    for kind in Kind.allCases { try await makeServer(kind) }
  }

  private static let newKey = [
    "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256",
  ]

  private func makeAuthority() async throws {
    try await Command.run(
      ["openssl", "req", "-x509", "-days", "3650", "-subj", "/CN=Restante test authority"]
        + Self.newKey + [
          "-keyout", directory.file("ca.key"), "-out", caFile,
          "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        ]
    )
  }

  private func makeServer(_ kind: Kind) async throws {
    let section = kind == .otherName ? "elsewhere" : "local"
    let name = kind == .otherName ? "elsewhere.invalid" : "localhost"
    let config = directory.file("ca.cnf")
    if kind == .selfSigned {
      try await Command.run(
        ["openssl", "req", "-x509", "-days", "3650", "-subj", "/CN=\(name)", "-config", config]
          + Self.newKey + [
            "-extensions", section, "-keyout", keyFile(kind), "-out", certificateFile(kind),
          ]
      )
    } else {
      let request = directory.file("\(kind.rawValue).csr")
      try await Command.run(
        ["openssl", "req", "-subj", "/CN=\(name)", "-config", config]
          + Self.newKey + ["-keyout", keyFile(kind), "-out", request]
      )
      let end = kind == .expired ? "20210101000000Z" : "20400101000000Z"
      try await Command.run([
        "openssl", "ca", "-batch", "-notext", "-config", config, "-extensions", section,
        "-startdate", "20200101000000Z", "-enddate", end,
        "-in", request, "-out", certificateFile(kind),
      ])
    }
    // Servers read their key before or after they drop to another user; it guards nothing.
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o644],
      ofItemAtPath: keyFile(kind)
    )
  }

  private static func configuration(_ directory: String) -> String {
    """
    [ca]
    default_ca = authority
    [authority]
    database = \(directory)/index.txt
    serial = \(directory)/serial
    new_certs_dir = \(directory)
    certificate = \(directory)/ca.pem
    private_key = \(directory)/ca.key
    default_md = sha256
    policy = anything
    unique_subject = no
    [anything]
    commonName = supplied
    [req]
    distinguished_name = name
    prompt = no
    [name]
    CN = localhost
    [local]
    basicConstraints = CA:FALSE
    extendedKeyUsage = serverAuth
    subjectAltName = DNS:localhost,DNS:*.test.invalid,IP:127.0.0.1,IP:::1
    [elsewhere]
    basicConstraints = CA:FALSE
    extendedKeyUsage = serverAuth
    subjectAltName = DNS:elsewhere.invalid

    """
  }
}
