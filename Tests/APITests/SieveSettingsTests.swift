import Bytes
import Engine
import Model
import Testing

@testable import API

@Suite("Account settings: ManageSieve") struct SieveSettingsTests {
  private func draft(_ sieve: String, _ incoming: String = "") throws -> AccountDraft {
    let text =
      #"{"email":"a@b.c","incoming":{"host":"h"\#(incoming),"auth":{"username":"ada","password":"p"}},"sieve":\#(sieve)}"#
    return try AccountSettings.draft(try JSONReader.parse(Array(text.utf8).span))
  }

  private func fault(_ sieve: String, _ incoming: String = "") -> FieldError? {
    let error = #expect(throws: ServiceError.self) { _ = try draft(sieve, incoming) }
    return error?.fields.first
  }

  @Test func `what is not said is as of the incoming server`() throws {
    let draft = try draft("{}")
    let sieve = try #require(draft.sieve)
    #expect(sieve.server.kind == .managesieve && sieve.server.host == "h")
    #expect(sieve.server.port == 4190 && sieve.server.security == .starttls)
    #expect(!sieve.hasOwnLogin && draft.sieveSecret == nil)
    #expect(sieve.backend(besides: draft.incoming).username == "ada")
    #expect(sieve.isTrusted(with: draft.incoming))
    #expect(try self.draft("null").sieve == nil)
    let plain = try self.draft("{}", #","tls":"none","allowCleartext":true"#)
    #expect(plain.sieve?.server.security == BackendSettings.Security.none)
    #expect(plain.sieve?.isTrusted(with: plain.incoming) == false)
  }

  @Test func `a login of its own has a secret of its own`() throws {
    let draft = try draft(
      #"{"host":"s","port":2000,"tls":"implicit","auth":{"username":"eve","password":"q"}}"#
    )
    let sieve = try #require(draft.sieve)
    #expect(sieve.hasOwnLogin && draft.sieveSecret?.value == "q")
    let backend = sieve.backend(besides: draft.incoming)
    #expect(backend.username == "eve" && backend.host == "s" && backend.port == 2000)
    let other = try self.draft(#"{"host":"s","auth":null}"#)
    #expect(
      other.sieve?.hasOwnLogin == false && other.sieve?.isTrusted(with: other.incoming) == false
    )
  }

  @Test func `what cannot be is told`() {
    #expect(fault(#"{"protocol":"imap"}"#)?.pointer == "/sieve/protocol")
    #expect(fault(#"{"colour":1}"#)?.pointer == "/sieve/colour")
    #expect(fault("1")?.pointer == "/sieve")
    #expect(fault("{}", #","protocol":"pop3""#)?.pointer == "/sieve")
  }

  @Test func `a patch changes what it names`() throws {
    let draft = try draft(#"{"host":"s","auth":{"username":"eve","password":"q"}}"#)
    var account = Account(
      id: ID(1),
      name: "",
      email: "a@b.c",
      mode: .online,
      incoming: draft.incoming,
      outgoing: nil,
      identities: [],
      state: .ready,
      lastError: nil,
      lastSyncAt: nil,
      firstSyncedAt: nil,
      capabilities: [],
      createdAt: Timestamp(microseconds: 0),
      version: 1
    )
    account.sieve = draft.sieve
    func patch(_ text: String) throws -> AccountPatch {
      try AccountSettings.patch(try JSONReader.parse(Array(text.utf8).span), of: account)
    }
    let port = try patch(#"{"sieve":{"port":99}}"#)
    #expect(port.sieve??.server.port == 99 && port.sieve??.server.host == "s")
    #expect(port.sieve??.hasOwnLogin == true && port.sieve??.server.username == "eve")
    let shared = try patch(#"{"sieve":{"auth":null}}"#)
    #expect(shared.sieve??.hasOwnLogin == false && shared.sieve??.server.username == "ada")
    #expect(try patch(#"{"sieve":null}"#).sieve == .some(nil))
    #expect(try patch(#"{"name":"x"}"#).sieve == nil)
  }
}
