import Bytes
import Postgres
import TestSupport
import Testing

@testable import API

@Suite("The API over HTTP: submissions", .tags(.database))
struct SubmissionEndToEndTests {
  /// One pair of servers for the suite.
  private static let postfix = Task {
    try await PostfixServer.start(deliveringTo: try await DovecotServer.shared)
  }

  @Test func `a message is answered 202, sent once, and its replay is the same`() async throws {
    let dovecot = try await DovecotServer.shared
    let bob = try dovecot.newUser()
    let postfix = try await Self.postfix.value
    try await Office.withAccount(messages: 0, smtp: postfix) { _, api, path, _ in
      let body = #"{"to":[{"email":"\#(bob)@test.invalid"}],"subject":"hé","text":"…"}"#
      let key = [("Idempotency-Key", "once")]
      let first = try await api.expect(202, "POST", "\(path)/submissions", body, fields: key)
      let again = try await api.expect(202, "POST", "\(path)/submissions", body, fields: key)
      #expect(again.http.body == first.http.body)
      #expect(again.http["idempotent-replayed"] == "true")
      try await api.expect(
        422,
        code: "idempotency_key_reused",
        "POST",
        "\(path)/submissions",
        #"{"to":[{"email":"\#(bob)@test.invalid"}],"subject":"other","text":""}"#,
        fields: key
      )
      let submission = "\(path)/submissions/\(first.id)"
      try await eventually("it is sent") {
        try await api.call("GET", submission).json["state"]?.stringValue == "sent"
      }
      let sent = try await api.expect(200, "GET", submission)
      let recipient = sent.json["recipients"]?.arrayValue?.first
      #expect(recipient?["state"]?.stringValue == "accepted")
      #expect(recipient?["code"]?.intValue == 250)
      try await eventually("it arrives") { try await dovecot.messageCount(user: bob) == 1 }
      try await api.expect(409, code: "conflict", "DELETE", submission)
    }
  }

  @Test func `a request whose answer could not be kept is not done twice`() async throws {
    let postfix = try await Self.postfix.value
    try await Office.withAccount(messages: 0, smtp: postfix) { service, api, path, _ in
      let statements = [
        """
        create function break_answer() returns trigger language plpgsql as $$ begin
          if new.body is not null then raise exception 'stopping' using errcode = '57P01'; end if;
          return new;
        end $$
        """,
        """
        create trigger break_answer before update on idempotency
        for each row execute function break_answer()
        """,
      ]
      for statement in statements { _ = try await service.query(SQL(unsafeSQL: statement)) }
      let body = #"{"to":[{"email":"bob@test.invalid"}],"text":"","undoSeconds":600}"#
      let key = [("Idempotency-Key", "lost")]
      let submissions = "\(path)/submissions"
      try await api.expect(503, code: "unavailable", "POST", submissions, body, fields: key)
      let again = try await api.expect(
        409,
        code: "idempotency_not_replayable",
        "POST",
        submissions,
        body,
        fields: key
      )
      let list = try await api.expect(200, "GET", "\(submissions)?total=true")
      #expect(list.json["total"]?.intValue == 1)
      let made = list.items.first?["id"]?.stringValue ?? "none"
      #expect(again.json["detail"]?.stringValue?.contains(made) == true)
    }
  }

  @Test func `a draft that was sent goes, and only a draft is sent as one`() async throws {
    let dovecot = try await DovecotServer.shared
    let bob = try dovecot.newUser()
    let postfix = try await Self.postfix.value
    try await Office.withAccount(messages: 1, smtp: postfix) { service, api, path, _ in
      let draft = try await api.expect(
        201,
        "POST",
        "\(path)/messages",
        #"{"to":[{"email":"\#(bob)@test.invalid"}],"subject":"draft","text":"x"}"#
      )
      let submissions = "\(path)/submissions"
      let received = try await api.expect(200, "GET", "\(path)/messages?mailbox=inbox").items
      let other = received.first?["id"]?.stringValue ?? ""
      for id in [other, "msg_0000000000000"] {
        let refused = try await api.expect(
          422,
          code: "unprocessable",
          "POST",
          submissions,
          #"{"draftId":"\#(id)"}"#
        )
        #expect(refused.pointers == ["/draftId"])
      }
      // A token that may only send cannot read a draft by a dry run.
      let sender = try await api.expect(201, "POST", "/v1/tokens", #"{"scopes":["send"]}"#)
      let bound = try await APIClient(service)
      bound.token = sender.json["token"]?.stringValue
      let dryRun = #"{"draftId":"\#(draft.id)","dryRun":true}"#
      try await bound.expect(403, code: "forbidden", "POST", submissions, dryRun)
      let sent = try await bound.expect(202, "POST", submissions, #"{"draftId":"\#(draft.id)"}"#)
      try await eventually("it is sent") {
        try await api.call("GET", "\(submissions)/\(sent.id)").json["state"]?.stringValue == "sent"
      }
      try await eventually("the copy took the draft's place") {
        let drafts = try await api.call("GET", "\(path)/messages?mailbox=drafts").items
        let copies = try await api.call("GET", "\(path)/messages?mailbox=sent").items
        return drafts.isEmpty && copies.count == 1
      }
    }
  }

  @Test func `a held submission is cancelled`() async throws {
    let postfix = try await Self.postfix.value
    try await Office.withAccount(messages: 0, smtp: postfix) { _, api, path, _ in
      let held = try await api.expect(
        202,
        "POST",
        "\(path)/submissions",
        #"{"to":[{"email":"bob@test.invalid"}],"text":"","undoSeconds":600}"#
      )
      #expect(held.json["state"]?.stringValue == "held")
      let cancelled = try await api.expect(
        200,
        "POST",
        "\(path)/submissions/\(held.id):cancel"
      )
      #expect(cancelled.json["state"]?.stringValue == "cancelled")
      let list = try await api.expect(200, "GET", "\(path)/submissions?total=true")
      #expect(list.json["total"]?.intValue == 1)
    }
  }

  @Test func `a dry run shows the bytes, without Bcc, and sends nothing`() async throws {
    let postfix = try await Self.postfix.value
    try await Office.withAccount(messages: 0, smtp: postfix) { _, api, path, _ in
      let shown = try await api.expect(
        200,
        "POST",
        "\(path)/submissions",
        #"""
        {"to":[{"email":"bob@test.invalid"}],"bcc":[{"email":"carol@test.invalid"}],
        "subject":"dry","text":"x","dryRun":true}
        """#
      )
      #expect(shown.http["content-type"] == "message/rfc822")
      #expect(shown.http.text.contains("Subject: dry"))
      #expect(!shown.http.text.contains("carol"))
      let raw = try await api.expect(
        200,
        "POST",
        "\(path)/submissions?dryRun=true",
        raw: [UInt8](
          "From: a@x.y\nBcc: carol@x.y\nResent-Bcc: dave@x.y,\n eve@x.y\nTo: b@x.y\n\nx\n".utf8
        ),
        type: "message/rfc822"
      )
      #expect(raw.http.text == "From: a@x.y\r\nTo: b@x.y\r\n\r\nx\r\n")
      #expect(try await api.expect(200, "GET", "\(path)/submissions").items.isEmpty)
    }
  }

  @Test(arguments: [
    (#"{"to":[{"email":"b@x.y\r\nDATA"}],"text":""}"#, "/to/0/email"),
    (#"{"to":[{"email":"b@x.y"}],"subject":"a\nBcc: z@x.y","text":""}"#, "/subject"),
    (#"{"to":[{"email":"b@x.y"}],"identityId":"idn_99","text":""}"#, "/identityId"),
    (#"{"subject":"nobody"}"#, "/to"),
  ])
  func `what must not be sent is 422 with its pointer`(body: String, pointer: String) async throws {
    let postfix = try await Self.postfix.value
    try await Office.withAccount(messages: 0, smtp: postfix) { _, api, path, _ in
      let refused = try await api.expect(
        422,
        code: "unprocessable",
        "POST",
        "\(path)/submissions",
        body
      )
      #expect(refused.pointers == [pointer])
    }
  }
}
