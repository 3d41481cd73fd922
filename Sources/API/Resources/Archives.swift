import Archives
import Bytes
import Engine
import HTTP
import HTTPTransport
import Model
import Store

extension Endpoints {
  /// Answers `POST /v1/accounts/{accountId}/imports`.
  func createImport(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    try call.requireNoQuery()
    let account = try call.accountID()
    let body = try await call.json(upTo: configuration.limits.jsonBytes)
    let faults = Faults()
    var object = ObjectDecoder(body, faults: faults)
    let format: ArchiveFormat? = object.choice("format", .required)
    let name = object.string("mailbox", length: 1...64) ?? "inbox"
    let skipsDuplicates = object.bool("skipDuplicates") ?? false
    object.finish()
    let mailbox = try await findMailbox(name, of: account)
    if mailbox == nil {
      faults.addValue("/mailbox", .notFound, "There is no mailbox with this id or role.")
    }
    try faults.check()
    guard let format, let mailbox else { throw .notFound }
    let job = try await engine.createImport(
      ImportRequest(format: format, mailbox: mailbox.id, skipsDuplicates: skipsDuplicates),
      of: account,
      claim: call.claim
    )
    return .json(status: .accepted, location: "/v1/jobs/\(job.id)") { JobJSON.write(job, to: &$0) }
  }

  /// Answers `POST /v1/accounts/{accountId}/imports/{jobId}:upload`.
  func uploadArchive(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    let id = try call.id(1, of: Job.self)
    var query = try call.query()
    let offset = query.int("offset", in: 0...Int64.max) ?? 0
    try query.finish()
    let body = call.request.body
    do {
      let job = try await engine.receiveArchive(of: id, of: account, from: offset) {
        do throws(HTTPBodyError) {
          return try await body.next()
        } catch {
          throw ServiceError(body: error)
        }
      }
      return .json(tag: JobJSON.tag(job)) { JobJSON.write(job, to: &$0) }
    } catch {
      throw engine.serviceError(error, account)
    }
  }

  /// Answers `GET /v1/accounts/{accountId}/messages:export`.
  func exportMessages(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    let account = try call.accountID()
    var query = try call.query()
    let format: ArchiveFormat = query.choice("format") ?? .mbox
    if format == .mboxo {
      query.faults.add("?format", .format, "It is only read; mbox is what is written.")
    }
    let filter = MessageFilter(&query)
    try query.finish()
    try await requireMailbox(filter.query.mailbox, of: account)
    let export = try await engine.export(
      filter.query,
      role: filter.role,
      of: account,
      as: format
    )
    var fields = HTTPFields()
    fields.append("Content-Type", format.mediaType)
    fields.append(
      "Content-Disposition",
      MailContent.disposition(isInline: false, filename: "\(account).\(format.fileExtension)")
    )
    fields.append("Content-Security-Policy", constant: "sandbox; default-src 'none'")
    fields.append("Cache-Control", constant: "private, no-store")
    fields.append("Restante-Message-Count", String(export.count))
    let stream = HTTPResponseBody.stream(length: nil) { writer in
      try await export.stream { piece in try await writer.write(piece) }
    }
    return HTTPResponse(status: .ok, fields: fields, body: stream)
  }
}
