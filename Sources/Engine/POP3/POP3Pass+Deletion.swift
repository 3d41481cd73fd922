import MIME
import MailProtocols
import MailTransport
import Model
import Store

extension POP3Pass {
  /// How many deletions are asked for in one go.
  private static let slice = 1000

  /// Marks as deleted on the server what need not stay there; their keys, once the server took note.
  ///
  /// All of them were committed to the database before, and each was seen in this session: under the unique id
  /// that is its alone, or as a whole.
  func deleteDue(_ retention: ServerRetention) async throws -> [ServerMessage.Key] {
    let due = try await services.store.messagesToDelete(from: account, by: retention)
    let unproven = due.filter { ledger.places[$0.key]?.isProven == false }
    try await prove(unproven)
    let doomed = due.compactMap { key, _ in
      ledger.places[key].flatMap { $0.isProven ? (key: key, listed: $0.listed) : nil }
    }
    var marked: [ServerMessage.Key] = []
    for start in stride(from: 0, to: doomed.count, by: Self.slice) {
      let part = doomed[start..<min(start + Self.slice, doomed.count)]
      let replies = try await client.delete(part.map(\.listed))
      marked += zip(part, replies).filter { $1.isPositive }.map { $0.0.key }
      if let refusal = replies.first(where: { !$0.isPositive }) { noteUndeleted("DELE", refusal) }
    }
    return marked
  }

  /// Fetches messages once more that something else may be by now, since a header or an id that others share is no proof.
  private func prove(_ doubtful: [(key: ServerMessage.Key, digest: [UInt8])]) async throws {
    let keys = Dictionary(
      doubtful.compactMap { item in
        ledger.places[item.key].map { ($0.listed.number, item) }
      },
      uniquingKeysWith: { first, _ in first }
    )
    guard !keys.isEmpty else { return }
    let listed = doubtful.compactMap { ledger.places[$0.key]?.listed }
    let retrieval = client.retrieve(listed)
    while let next = try await retrieval.nextMessage() {
      guard case .message(let message) = next else { continue }
      var bytes: [UInt8] = []
      while let piece = try await retrieval.nextPiece() {
        if bytes.count <= services.configuration.messageBytes { bytes += piece }
      }
      guard retrieval.lastEnd == .dot, let item = keys[message.number],
        POP3ContentIdentity(LineEnds.canonical(bytes)).digest == item.digest
      else { continue }
      ledger.prove(item.key)
    }
  }
}
