import Bytes
import Engine
import Model
import Testing

@testable import API

@Suite("Account settings") struct AccountSettingsTests {
  private static let incoming =
    #""incoming":{"host":"imap.example.org","auth":{"username":"ada","password":"p"}}"#

  private func error(_ text: String) throws -> ServiceError? {
    let value = try JSONReader.parse(Array(text.utf8).span)
    do throws(ServiceError) {
      _ = try AccountSettings.draft(value)
      return nil
    } catch {
      return error
    }
  }

  @Test func `the least that makes an account`() throws {
    let text = #"{"email":"ada@example.org",\#(Self.incoming)}"#
    let draft = try AccountSettings.draft(try JSONReader.parse(Array(text.utf8).span))
    #expect(draft.incoming.port == 993)
    #expect(draft.incoming.security == .implicit)
    #expect(draft.incoming.authType == .password)
    #expect(draft.incomingSecret?.value == "p")
    #expect(draft.outgoing == nil)
    #expect(draft.mode == .online)
  }

  @Test func `without an incoming server discovery would be needed`() throws {
    #expect(try error(#"{"email":"ada@example.org"}"#)?.code == .discoveryUnavailable)
  }

  @Test(arguments: [
    (#"{"email":"ada"}"#, "/email", "unprocessable"),
    (#"{"email":"ada@example.org\r\nX: y"}"#, "/email", "unprocessable"),
    (#"{"email":1}"#, "/email", "invalid_request"),
    (#"{"email":"a@b.c","colour":1}"#, "/colour", "invalid_request"),
    (#"{"email":"a@b.c","incoming":{}}"#, "/incoming/host", "invalid_request"),
    (
      #"{"email":"a@b.c","incoming":{"host":"h","port":0}}"#, "/incoming/port", "invalid_request"
    ),
    (
      #"{"email":"a@b.c","incoming":{"host":"h","protocol":"nntp"}}"#, "/incoming/protocol",
      "unprocessable"
    ),
    (
      #"{"email":"a@b.c","incoming":{"host":"h","protocol":"gopher"}}"#, "/incoming/protocol",
      "invalid_request"
    ),
    (
      #"{"email":"a@b.c","incoming":{"host":"h","auth":{"username":"u"}}}"#,
      "/incoming/auth/password", "invalid_request"
    ),
    (
      #"{"email":"a@b.c","incoming":{"host":"h","auth":{"username":"u\u0000","password":""}}}"#,
      "/incoming/auth/username", "unprocessable"
    ),
    (
      #"{"email":"a@b.c","incoming":{"host":"h","auth":{"type":"gssapi"}}}"#,
      "/incoming/auth/username", "invalid_request"
    ),
    (
      #"{"email":"a@b.c","incoming":{"host":"h","auth":{"type":"gssapi","username":"u","password":"p"}}}"#,
      "/incoming/auth/password", "unprocessable"
    ),
    (
      #"""
      {"email":"a@b.c","incoming":{"host":"h"},
      "outgoing":{"host":"h","auth":{"type":"gssapi","username":"u"}}}
      """#,
      "/outgoing/auth/type", "unprocessable"
    ),
    (
      #"{"email":"a@b.c","incoming":{"host":"h","auth":{"type":"oauth2","username":"u"}}}"#,
      "/incoming/auth/accessToken", "invalid_request"
    ),
    (
      #"{"email":"a@b.c","incoming":{"host":"h","auth":{"username":"u","accessToken":"t"}}}"#,
      "/incoming/auth/password", "invalid_request"
    ),
    (
      #"""
      {"email":"a@b.c","incoming":{"host":"h"},
      "outgoing":{"host":"h","auth":{"type":"oauth2","username":"u","accessToken":"t"}}}
      """#,
      "/outgoing/auth/type", "unprocessable"
    ),
  ])
  func `what is wrong is named by its pointer`(text: String, pointer: String, code: String) throws {
    let error = try error(text)
    #expect(error?.code.rawValue == code)
    #expect(error?.fields.contains { $0.pointer == pointer } == true)
  }

  private func account() -> Account {
    let settings = BackendSettings(
      kind: .imap,
      host: "imap.example.org",
      port: 993,
      security: .implicit,
      authType: .password,
      username: "ada"
    )
    return Account(
      id: ID(1),
      name: "Ada",
      email: "ada@example.org",
      mode: .online,
      incoming: settings,
      outgoing: nil,
      identities: ["idn_1", "idn_2"].map { id in
        Identity(
          id: id,
          name: nil,
          email: "ada@example.org",
          replyTo: nil,
          isDefault: id == "idn_1"
        )
      },
      state: .ready,
      lastError: nil,
      lastSyncAt: nil,
      firstSyncedAt: nil,
      capabilities: [],
      createdAt: Timestamp(seconds: 0),
      version: 1
    )
  }

  private func patch(_ text: String) throws -> AccountPatch {
    try AccountSettings.patch(try JSONReader.parse(Array(text.utf8).span), of: account())
  }

  @Test func `a patch keeps what it does not name`() throws {
    let patch = try patch(#"{"incoming":{"host":"other.example.org"}}"#)
    #expect(patch.incoming?.host == "other.example.org")
    #expect(patch.incoming?.username == "ada")
    #expect(patch.incomingSecret == nil)
    #expect(patch.name == nil)
    #expect(patch.incoming?.needsSecretAgain(after: account().incoming) == true)
  }

  @Test func `a patch can set a new password alone`() throws {
    let patch = try patch(#"{"incoming":{"auth":{"password":"new"}}}"#)
    #expect(patch.incomingSecret?.value == "new")
    #expect(patch.incoming == account().incoming)
  }

  @Test func `an access token is a secret of its own kind`() throws {
    let patch = try patch(#"{"incoming":{"auth":{"type":"oauth2","accessToken":"ya29"}}}"#)
    #expect(patch.incoming?.authType == .oauth2)
    #expect(patch.incomingSecret?.value == "ya29")
    #expect(throws: ServiceError.self) {
      try self.patch(#"{"incoming":{"auth":{"accessToken":"ya29"}}}"#)
    }
  }

  @Test func `null removes the outgoing server`() throws {
    let patch = try patch(#"{"outgoing":null}"#)
    #expect(patch.outgoing == .some(nil))
    #expect(try self.patch("{}").outgoing == nil)
  }

  @Test func `no secret is part of an account's JSON`() {
    var json = JSONWriter()
    AccountJSON.write(account(), AccountConnection(), .all, to: &json)
    let text = String(decoding: json.finish(), as: UTF8.self)
    #expect(text.contains(#""auth":{"type":"password","username":"ada"}"#))
    #expect(!text.contains(#""password":"#))
  }

  @Test(arguments: [
    ("[]", []),
    (#"[{"email":"a@b.c"}]"#, ["idn_3 default"]),
    (#"[{"id":"idn_2","email":"a@b.c"},{"email":"d@e.f"}]"#, ["idn_2 default", "idn_3"]),
    (#"[{"email":"a@b.c"},{"email":"d@e.f","isDefault":true}]"#, ["idn_3", "idn_4 default"]),
  ])
  func `identities keep their ids, and one is the default`(
    text: String,
    expected: [String]
  ) throws {
    let patch = try self.patch(#"{"identities":\#(text)}"#)
    let found = patch.identities?.map { $0.id + ($0.isDefault ? " default" : "") }
    #expect(found == expected)
  }

  @Test(arguments: [
    (#"[{"id":"zzz","email":"a@b.c"}]"#, "/identities/0/id"),
    (#"[{"id":"idn_1","email":"a@b.c"},{"id":"idn_1","email":"a@b.c"}]"#, "/identities/1/id"),
    (
      #"[{"email":"a@b.c","isDefault":true},{"email":"d@e.f","isDefault":true}]"#,
      "/identities/1/isDefault"
    ),
  ])
  func `identities that contradict one another are refused`(text: String, pointer: String) throws {
    let error = #expect(throws: ServiceError.self) {
      _ = try patch(#"{"identities":\#(text)}"#)
    }
    #expect(error?.fields.map(\.pointer) == [pointer])
  }

  @Test func `a name that is taken away is the address again`() throws {
    #expect(try patch(#"{"name":null}"#).name == "ada@example.org")
    #expect(try patch(#"{"name":null,"email":"eve@example.org"}"#).name == "eve@example.org")
  }
}
