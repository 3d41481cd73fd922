import Bytes
import Foundation
import TestSupport
import Testing

/// The service as a process, since tickets are found by the environment.
@Suite("Kerberos tickets of the service (RFC 4752)", .timeLimit(.minutes(6)))
struct KerberosTests {
  /// Adds an account of `user` that logs in by a ticket; its path.
  private static func add(
    _ user: String,
    _ dovecot: DovecotServer,
    to service: Service
  ) async throws -> String {
    let body = """
      {"email":"\(user)@test.invalid","incoming":{"protocol":"imap","host":"localhost",
      "port":\(dovecot.imapsPort),"tls":"implicit","auth":{"type":"gssapi","username":"\(user)"}}}
      """
    let text = try await Command.run([
      "curl", "-fsS", "-H", "Authorization: Bearer \(try service.token())", "--json", body,
      "\(service.address)/v1/accounts",
    ])
    let account = try JSONReader.parse([UInt8](text.utf8).span)
    #expect(account["incoming"]?["auth"]?["type"] == .string("gssapi"))
    return "/v1/accounts/\(account["id"]?.stringValue ?? "")"
  }

  @Test func `an account logs in by a ticket, as the one that the ticket is for`() async throws {
    let realm = try await KerberosRealm.start(users: ["alice", "bob"])
    var options = DovecotServer.Options()
    options.realm = realm
    let dovecot = try await DovecotServer.start(users: ["alice", "bob"], options: options)
    try await dovecot.fill(user: "alice", count: 3)
    let service = try Service(
      database: try await PrivatePostgres.shared.database(),
      arguments: ["--allow-network", "127.0.0.0/8", "--ca-file", dovecot.caFile],
      environment: realm.clientEnvironment("alice")
    )
    try await service.whileRunning {
      let alice = try await Self.add("alice", dovecot, to: service)
      try await eventually("alice is synced") {
        try await service.get(alice)["state"] == .string("ready")
      }
      let messages = try await service.get("\(alice)/messages?mailbox=inbox")
      #expect(messages["items"]?.arrayValue?.count == 3)
      #expect(try dovecot.log().contains("method=GSSAPI"))
      // The ticket is alice's: bob's mail is not hers to read.
      let bob = try await Self.add("bob", dovecot, to: service)
      try await eventually("bob is refused") {
        try await service.get(bob)["state"] == .string("authenticationFailed")
      }
      let detail = try await service.get(bob)["lastError"]?["detail"]?.stringValue ?? ""
      #expect(detail.contains("the Kerberos ticket"), "\(detail)")
    }
    await dovecot.stop()
    await realm.stop()
  }
}
