import Bytes
import MIME
import Model
import Net
import Store

extension BlobTexts {
  /// How much of each a search knows, in bytes: an index takes a megabyte of text at most.
  private static let limit = 256 * 1024

  /// The texts of a raw message.
  init(_ message: ParsedMessage) {
    var header: [UInt8] = []
    let fields = message.header
    for field in fields.fields where header.count < Self.limit {
      let name = fields.name(of: field)
      header.append(text: "\(name): \(fields.raw(field))\n")
      // What encoded words spell is what somebody looks for.
      let decoded = fields.text(field)
      if decoded != fields.raw(field) {
        header.append(text: "\(name): \(decoded)\n")
      }
    }
    var body: [UInt8] = []
    let views = BodyViews(of: message.bodyStructure)
    let parts = views.textBody + views.htmlBody.filter { !views.textBody.contains($0) }
    for part in parts {
      guard body.count < Self.limit, part.type.hasPrefix("text/"), let path = part.partID,
        let leaf = message.part(at: path)
      else { continue }
      let text = leaf.decodedText().text
      body.append(
        text: part.type == "text/html" ? HTMLText.plainText(text, limit: Self.limit) : text
      )
      body.append(.lf)
    }
    self.init(header: Self.kept(header), body: Self.kept(body))
  }

  /// The beginning of a text, without what PostgreSQL cannot keep.
  private static func kept(_ bytes: [UInt8]) -> String {
    String(decoding: bytes.prefix(limit).lazy.filter { $0 != 0 }, as: UTF8.self)
  }
}

extension Store {
  /// The texts of a raw message, of which `limit` bytes are read.
  func texts(
    of blob: ID<Blob>,
    in account: ID<Account>,
    limit: Int
  ) async throws(ServiceError) -> BlobTexts {
    var bytes: [UInt8] = []
    var position = 0
    while bytes.count < limit, let chunk = try await blobChunk(position, of: blob, of: account) {
      bytes += chunk
      position += 1
    }
    // A megabyte takes too long for a loop that callers are on.
    let message = bytes
    do {
      guard let loop = EventLoop.current else { return BlobTexts(MessageParser.parse(message)) }
      return try await loop.blocking.run { BlobTexts(MessageParser.parse(message)) }
    } catch {
      throw ServiceError(
        .unavailable,
        "No thread is free to read a message.",
        cause: "\(error)",
        isRetryable: true
      )
    }
  }
}
