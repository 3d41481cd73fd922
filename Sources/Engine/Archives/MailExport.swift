package import Archives
import Bytes
package import Model
import Net
import Store
import Synchronization

/// Messages on their way out, as an archive.
package struct MailExport: Sendable {
  /// How many messages were found; those that go meanwhile are left out.
  package let count: Int
  package let format: ArchiveFormat
  private let messages: [ID<Message>]
  private let mailbox: ID<Mailbox>?
  private let account: ID<Account>
  private let engine: Engine

  fileprivate init(
    _ messages: [ID<Message>],
    _ mailbox: ID<Mailbox>?,
    _ account: ID<Account>,
    _ format: ArchiveFormat,
    _ engine: Engine
  ) {
    count = messages.count
    self.messages = messages
    self.mailbox = mailbox
    self.account = account
    self.format = format
    self.engine = engine
  }

  /// Hands the archive to `sink` piece by piece; its wait holds the reading back.
  ///
  /// - Throws: `ServiceError`, or what `sink` throws.
  package func stream(to sink: BodySink) async throws {
    let store = engine.store
    let configuration = engine.services.configuration
    let keywords =
      format == .maildir ? try await store.keywords(of: messages, in: account) : []
    var writer = ArchiveWriter(format, keywords: keywords)
    var head: [UInt8] = []
    writer.begin(&head)
    if !head.isEmpty { try await sink(head) }
    var rest = messages[...]
    while !rest.isEmpty {
      let ids = Array(rest.prefix(configuration.exportBatch))
      rest = rest.dropFirst(ids.count)
      var rows = try await store.exportedMessages(ids, in: mailbox, of: account)[...]
      while !rows.isEmpty {
        var bytes: Int64 = 0
        let slice = rows.prefix { row in
          defer { bytes += row.size }
          return bytes < configuration.exportBytes
        }
        rows = rows[slice.endIndex...]
        let (written, output) = try await write(Array(slice), writer)
        writer = written
        if !output.isEmpty { try await sink(output) }
      }
    }
    var end: [UInt8] = []
    writer.finish(&end)
    if !end.isEmpty { try await sink(end) }
  }

  /// The messages of `rows` as they stand in the archive, and the writer after them.
  private func write(
    _ rows: [ExportedMessage],
    _ writer: ArchiveWriter
  ) async throws -> (ArchiveWriter, [UInt8]) {
    let kept = try await engine.store.compressedBlobs(rows.compactMap(\.blob), of: account)
    var fetched: [ID<Message>: [UInt8]] = [:]
    for row in rows where row.blob.map({ kept[$0] == nil }) ?? true {
      fetched[row.id] = try await fetch(row.id)
    }
    let bodies = fetched
    return try await engine.services.group.blocking.run {
      var writer = writer
      var output: [UInt8] = []
      for row in rows {
        let raw: [UInt8]
        if let chunks = row.blob.flatMap({ kept[$0] }) {
          raw = try chunks.reduce(into: []) { bytes, chunk in
            bytes += try Compression.decompress(chunk.span, limit: BlobLimits.chunkSize)
          }
        } else if let body = bodies[row.id] {
          raw = body
        } else {
          continue
        }
        writer.write(
          ArchivedMessage(raw, keywords: row.keywords, receivedAt: row.receivedAt),
          to: &output
        )
      }
      return (writer, output)
    }
  }

  /// A message from its server; nil where it is gone.
  private func fetch(_ id: ID<Message>) async throws -> [UInt8]? {
    let source: BodySource
    do throws(ServiceError) {
      source = try await engine.openRaw(id, of: account)
    } catch {
      guard error.code == .notFound else { throw error }
      return nil
    }
    let (bytes, isTruncated) = try await source.collect(
      upTo: engine.services.configuration.messageBytes * 4
    )
    guard !isTruncated else {
      throw ServiceError(.bodyTooLarge, "The message \(id) is too long for an archive.")
    }
    return bytes
  }
}

extension Engine {
  /// Finds the messages that an export of `account` holds, the oldest first.
  package func export(
    _ query: MessageQuery,
    role: String?,
    of account: ID<Account>,
    as format: ArchiveFormat
  ) async throws(ServiceError) -> MailExport {
    var query = query
    if let role {
      guard let mailbox = try await store.mailbox(role: role, of: account) else {
        throw ServiceError(.notFound, "The account has no mailbox with the role \(role).")
      }
      query.mailbox = mailbox.id
    }
    query.sort = .receivedAt
    query.isAscending = true
    let findings = try await find(query, of: account)
    if let gap = findings.gaps.first { throw gap.error }
    let limit = services.configuration.exportMessages
    let messages = try await store.messageIDs(of: account, query, findings, limit: limit + 1)
    guard messages.count <= limit else {
      throw ServiceError(
        .unprocessable,
        "More than \(limit) messages match: export them in parts, by before and after."
      )
    }
    return MailExport(messages, query.mailbox, account, format, self)
  }
}
