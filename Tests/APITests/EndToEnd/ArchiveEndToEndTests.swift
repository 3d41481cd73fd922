import Archives
import Bytes
import Engine
import Model
import TestSupport
import Testing

@testable import API

@Suite("Archives by HTTP", .serialized, .timeLimit(.minutes(3)))
struct ArchiveEndToEndTests {
  private func archive(_ count: Int) -> [UInt8] {
    var writer = ArchiveWriter(.mbox, keywords: [])
    var output: [UInt8] = []
    for index in 0..<count {
      writer.write(
        ArchivedMessage(
          SampleMail.message(index),
          keywords: index.isMultiple(of: 2) ? ["$seen"] : [],
          receivedAt: Int64(SampleMail.date(index))
        ),
        to: &output
      )
    }
    return output
  }

  @Test func `an archive is sent to a job, which counts, and comes back by a download`()
    async throws
  {
    var options = TestService.Options()
    options.servesHTTP = true
    options.engine.importBatch = 10
    try await TestService.with(options) { service in
      let id = try await service.addLocalAccount()
      let account = "/v1/accounts/\(id)"
      let api = try await APIClient(service)
      let made = try await api.expect(
        202,
        "POST",
        "\(account)/imports",
        #"{ "format": "mbox", "mailbox": "archive" }"#,
        fields: [("Idempotency-Key", "one")]
      )
      #expect(made.json["state"] == .string("queued"))
      #expect(made.http["location"] == "/v1/jobs/\(made.id)")
      let bytes = archive(35)
      try await api.expect(
        409,
        code: "conflict",
        "POST",
        "\(account)/imports/\(made.id):upload?offset=7",
        raw: bytes,
        type: "application/mbox"
      )
      let done = try await api.expect(
        200,
        "POST",
        "\(account)/imports/\(made.id):upload",
        raw: bytes,
        type: "application/mbox"
      )
      #expect(done.json["state"] == .string("done"))
      #expect(done.json["done"] == .int(35))
      #expect(done.json["position"] == .int(Int64(bytes.count)))
      #expect(try await api.expect(200, "GET", "/v1/jobs/\(made.id)").json == done.json)

      let whole = try await api.expect(200, "GET", "\(account)/messages:export?mailbox=archive")
      #expect(whole.http.body == bytes)
      #expect(whole.http["content-type"] == "application/mbox")
      #expect(whole.http["restante-message-count"] == "35")
      let unread = try await api.expect(
        200,
        "GET",
        "\(account)/messages:export?format=rnews&mailbox=archive&unread=true"
      )
      var reader = ArchiveReader(.rnews)
      reader.receive(unread.http.body)
      reader.finish()
      var count = 0
      while reader.next() != nil { count += 1 }
      #expect(count == 17)
      let tar = try await api.expect(200, "GET", "\(account)/messages:export?format=maildir")
      #expect(tar.http.body.count.isMultiple(of: 512))
    }
  }

  @Test func `what is asked for wrongly is told`() async throws {
    var options = TestService.Options()
    options.servesHTTP = true
    try await TestService.with(options) { service in
      let id = try await service.addLocalAccount()
      let account = "/v1/accounts/\(id)"
      let api = try await APIClient(service)
      let imports = "\(account)/imports"
      try await api.expect(400, "POST", imports, #"{ "format": "zip" }"#)
      try await api.expect(400, "POST", imports, "{}")
      try await api.expect(422, "POST", imports, #"{ "format": "mbox", "mailbox": "flagged" }"#)
      try await api.expect(404, "POST", "\(imports)/job_1:upload", raw: archive(1))
      try await api.expect(400, "GET", "\(account)/messages:export?format=mboxo")
      try await api.expect(404, "GET", "\(account)/messages:export?mailbox=flagged")
    }
  }
}
