import Bytes
import Engine
import Model
import Testing

@testable import API

@Suite("Account settings: POP3") struct POP3SettingsTests {
  private static let auth = #""auth":{"username":"ada","password":"p"}"#

  private func draft(_ incoming: String, mode: String? = nil) throws -> AccountDraft {
    let more = mode.map { #","mode":"\#($0)""# } ?? ""
    let text =
      #"{"email":"a@b.c"\#(more),"incoming":{"protocol":"pop3","host":"h",\#(incoming)}}"#
    return try AccountSettings.draft(try JSONReader.parse(Array(text.utf8).span))
  }

  private func fault(_ incoming: String, mode: String? = nil) -> FieldError? {
    let error = #expect(throws: ServiceError.self) { _ = try draft(incoming, mode: mode) }
    return error?.fields.first
  }

  @Test func `the least that makes an account keeps all mail here and deletes nothing`() throws {
    let draft = try draft(Self.auth)
    #expect(draft.incoming.kind == .pop3 && draft.incoming.port == 995)
    #expect(draft.mode == .disconnected)
    #expect(draft.incoming.retention(in: draft.mode).deletes == false)
    #expect(try self.draft(#""tls":"starttls",\#(Self.auth)"#).incoming.port == 110)
    let kpop = try self.draft(#""tls":"none","auth":{"type":"kpop","username":"ada"}"#)
    #expect(kpop.incoming.port == 1109 && kpop.incomingSecret == nil)
  }

  @Test(arguments: [
    ("", ServerRetention(time: .notAtAll, endsWhenRemoved: false)),
    (#","leaveOnServer":false"#, ServerRetention(time: .notAtAll, endsWhenRemoved: false)),
    (#","leaveOnServer":null"#, ServerRetention(time: .notAtAll, endsWhenRemoved: false)),
    (#","leaveOnServer":true"#, ServerRetention(time: .forever, endsWhenRemoved: false)),
    (#","leaveOnServer":{"days":14}"#, ServerRetention(time: .days(14), endsWhenRemoved: false)),
    (#","deleteWhenRemoved":true"#, ServerRetention(time: .forever, endsWhenRemoved: true)),
    (
      #","leaveOnServer":{"days":1},"deleteWhenRemoved":true"#,
      ServerRetention(time: .days(1), endsWhenRemoved: true)
    ),
  ])
  func `what stays on the server`(_ members: String, _ retention: ServerRetention) throws {
    let draft = try draft(Self.auth + members, mode: "offline")
    #expect(draft.incoming.retention(in: .offline) == retention)
    #expect(draft.incoming.retention(in: .disconnected).deletes == false)
  }

  @Test(
    arguments: [
      (#""tls":"none""#, nil, "/incoming/auth", "required"),
      (#""auth":{"type":"none"}"#, nil, "/incoming/auth", "required"),
      (auth, "online", "/mode", "unsupported"),
      (auth + #","leaveOnServer":false"#, nil, "/incoming/leaveOnServer", "conflict"),
      (
        auth + #","leaveOnServer":{"days":3}"#, "disconnected", "/incoming/leaveOnServer",
        "conflict"
      ),
      (auth + #","deleteWhenRemoved":true"#, nil, "/incoming/deleteWhenRemoved", "conflict"),
      (auth + #","leaveOnServer":{"days":0}"#, "offline", "/incoming/leaveOnServer/days", "range"),
      (auth + #","leaveOnServer":7"#, "offline", "/incoming/leaveOnServer", "type"),
      (
        #""auth":{"type":"rpop","username":"ada","password":"p"}"#, nil, "/incoming/auth/password",
        "conflict"
      ),
    ] as [(String, String?, String, String)]
  )
  func `what cannot be is told`(
    _ incoming: String,
    _ mode: String?,
    _ pointer: String,
    _ code: String
  ) {
    let fault = fault(incoming, mode: mode)
    #expect(fault?.pointer == pointer && fault?.code == code, "\(String(describing: fault))")
  }

  @Test(arguments: [
    (
      #"{"protocol":"imap","host":"h","leaveOnServer":false}"#, "/incoming/leaveOnServer",
      "conflict"
    ),
    (#"{"protocol":"local","leaveOnServer":true}"#, "/incoming/leaveOnServer", "unknown"),
    (
      #"{"host":"h","auth":{"type":"rpop","username":"u"}}"#, "/incoming/auth/type", "unsupported"
    ),
  ])
  func `what a protocol or a mode does not have is told`(
    _ incoming: String,
    _ pointer: String,
    _ code: String
  ) {
    let text = #"{"email":"a@b.c","incoming":\#(incoming)}"#
    let error = #expect(throws: ServiceError.self) {
      _ = try AccountSettings.draft(try JSONReader.parse(Array(text.utf8).span))
    }
    #expect(error?.fields.first?.pointer == pointer && error?.fields.first?.code == code)
  }
}
