import Foundation
import TestSupport
import Testing

@Suite("Servers for tests") struct ServerTests {
  @Test func `Dovecot takes mail and keeps it over a restart`() async throws {
    let dovecot = try await DovecotServer.start(users: ["alice"])
    try await dovecot.deliver(SampleMail.message(0), to: "alice")
    try await dovecot.deliver(SampleMail.message(1), to: "alice", mailbox: "Work/Plans")
    await dovecot.stop()
    try await dovecot.start()
    #expect(try await dovecot.messageCount(user: "alice") == 1)
    #expect(try await dovecot.messageCount(user: "alice", mailbox: "Work/Plans") == 1)
    let found = try await dovecot.messages(user: "alice")
    #expect(found.count == 1)
    #expect(found.first?.contains("Subject: \(SampleMail.subject(0) ?? "")") == true)
  }

  @Test func `filling a mailbox makes as many messages as were asked for`() async throws {
    let dovecot = try await DovecotServer.shared
    let user = try dovecot.newUser()
    try await dovecot.fill(user: user, count: 50)
    try await dovecot.fill(user: user, mailbox: "Old/2023", count: 7, first: 50)
    #expect(try await dovecot.messageCount(user: user) == 50)
    #expect(try await dovecot.messageCount(user: user, mailbox: "Old/2023") == 7)
  }

  @Test func `Postfix delivers to Dovecot, also what waited while it was down`() async throws {
    let dovecot = try await DovecotServer.start(users: ["alice", "bob"])
    let postfix = try await PostfixServer.start(deliveringTo: dovecot)
    try await submit("First", to: postfix)
    try await eventually("the first message") {
      try await dovecot.messageCount(user: "bob") == 1
    }
    await dovecot.stop()
    try await submit("Second", to: postfix, password: nil)
    await postfix.stop()
    try await dovecot.start()
    try await postfix.start()
    try await eventually("the second message") {
      try await dovecot.messageCount(user: "bob") == 2
    }
  }

  /// Sends by curl, which speaks SMTP with STARTTLS and checks the certificate.
  private func submit(
    _ subject: String,
    to postfix: PostfixServer,
    password: String? = "secret"
  ) async throws {
    let login =
      password.map { ["--ssl-reqd", "--cacert", postfix.caFile, "--user", "alice:\($0)"] } ?? []
    let port = password == nil ? postfix.mxPort : postfix.smtpPort
    try await Command.run(
      ["curl", "-sS", "--url", "smtp://localhost:\(port)", "--mail-from", "alice@test.invalid"]
        + login + ["--mail-rcpt", "bob@test.invalid", "--upload-file", "-"],
      input: [UInt8]("From: alice@test.invalid\r\nSubject: \(subject)\r\n\r\nx\r\n".utf8)
    )
  }

  @Test func `a scripted server answers with the client's tag and cuts where it is told`()
    async throws
  {
    let server = try ScriptedServer([
      .send("* OK ready\r\n"), .expect("capability"), .send("{tag} OK half a li"), .close,
    ])
    let result = try await Command.status(
      [
        "bash", "-c",
        "exec 3<>/dev/tcp/127.0.0.1/\(server.port); echo 'a7 CAPABILITY' >&3; cat <&3",
      ])
    #expect(result.output == "* OK ready\r\na7 OK half a li")
    #expect(server.transcripts == ["a7 CAPABILITY\n"])
  }

  @Test(arguments: TestCertificates.Kind.allCases)
  func `a certificate verifies only where it should`(_ kind: TestCertificates.Kind) async throws {
    let certificates = try await TestCertificates.shared
    let result = try await Command.status([
      "openssl", "verify", "-CAfile", certificates.caFile, "-verify_hostname", "localhost",
      certificates.certificateFile(kind),
    ])
    #expect((result.status == 0) == (kind == .valid), "\(result.output)")
    #expect(try await certificates.fingerprint(kind).count == 32)
  }

  @Test func `a server does not outlive the process that started it`() async throws {
    let directory = try TemporaryDirectory("outlive")
    let server = ServerProcess(["sleep", "1000"], outputFile: directory.file("out"))
    try await server.start(ports: [])
    let pid = try #require(server.pid)
    await server.stop()
    #expect(server.pid == nil)
    #expect(!FileManager.default.fileExists(atPath: "/proc/\(pid)"))
  }
}
