import MailProtocols
import MailTransport
import Net
import TestSupport
import Testing

/// A loop for one test, and ManageSieve clients on it.
struct ManageSieveFixture: ClientFixture, Sendable {
  let clients: ClientLoop

  /// A fixture that trusts the authority in `caFile`.
  init(caFile: String? = nil) throws { clients = try ClientLoop(caFile: caFile) }

  /// Connects to a port of this machine; called inside `run`.
  func connect(
    _ port: UInt16,
    tls: TLSMode = .none,
    host: String = "127.0.0.1",
    deadline: Deadline = .after(.seconds(60))
  ) async throws(ManageSieveError) -> ManageSieveClient {
    try await ManageSieveClient.connect(
      host: host,
      port: port,
      tls: tls,
      connector: clients.connector,
      tlsContext: clients.tlsContext,
      deadline: deadline
    )
  }

  /// Connects and logs in; called inside `run`.
  func login(
    _ port: UInt16,
    tls: TLSMode = .none,
    _ user: String,
    _ password: String = "secret"
  ) async throws(ManageSieveError) -> ManageSieveClient {
    let client = try await connect(port, tls: tls, host: tls == .none ? "127.0.0.1" : "localhost")
    try await client.authenticate(
      .password(username: user, password: password),
      deadline: .after(.seconds(60))
    )
    return client
  }

  /// Everything that one does with scripts, on a server that is as it comes; one of them is called `other`.
  func exercise(_ client: ManageSieveClient, other: String) async throws {
    #expect(client.capabilities.extensions.contains("fileinto"))
    let script = Array(
      "require \"fileinto\";\r\nif true { fileinto \"Ünder \\\"x\\\"\"; }\r\n".utf8
    )
    #expect(try await client.listScripts().isEmpty)
    try await client.noop()
    try await client.haveSpace("one", size: 1000)
    try await client.checkScript(script)
    try await client.putScript("one", script)
    try await client.putScript(other, Array("keep;\r\n".utf8))
    #expect(try await client.script("one") == script)
    try await client.setActive("one")
    let listed = try await client.listScripts()
    #expect(
      Set(listed)
        == [
          ListedScript(name: "one", isActive: true),
          ListedScript(name: other, isActive: false),
        ]
    )
    try await client.renameScript("one", to: "three")
    #expect(try await client.listScripts().first(where: \.isActive)?.name == "three")
    try await refuses(client, other)
    try await client.setActive(nil)
    try await client.deleteScript("three")
    try await client.deleteScript(other)
    #expect(try await client.listScripts().isEmpty)
    await client.logout()
  }

  /// What is refused, by the code that says why; the connection stays good.
  private func refuses(_ client: ManageSieveClient, _ other: String) async throws {
    let active = await manageSieveError { () throws(ManageSieveError) in
      try await client.deleteScript("three")
    }
    #expect(active?.code?.isKind(of: "ACTIVE") == true)
    let missing = await manageSieveError { () throws(ManageSieveError) in
      _ = try await client.script("nothing")
    }
    #expect(missing?.code?.isKind(of: "NONEXISTENT") == true)
    let taken = await manageSieveError { () throws(ManageSieveError) in
      try await client.renameScript("three", to: other)
    }
    #expect(taken?.code?.isKind(of: "ALREADYEXISTS") == true)
    let wrong = await manageSieveError { () throws(ManageSieveError) in
      try await client.putScript("wrong", Array("fileinto;\r\n".utf8))
    }
    guard case .refused("PUTSCRIPT", let answer)? = wrong else {
      Issue.record("\(String(describing: wrong))")
      return
    }
    #expect(answer.text.contains("1"))
  }
}

/// The error that `body` throws; nil where it throws none.
func manageSieveError(
  _ body: () async throws(ManageSieveError) -> Void
) async -> ManageSieveError? {
  do throws(ManageSieveError) {
    try await body()
    return nil
  } catch {
    return error
  }
}
