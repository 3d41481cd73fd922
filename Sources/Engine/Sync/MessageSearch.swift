import MailProtocols
import MailTransport
import Model
import Store

/// Finds a message whose UID is not known in the selected mailbox, by what it is.
///
/// The Message-ID, or the size where there is none, only narrows the search: senders repeat the one,
/// and chance the other. A hit counts where its ENVELOPE and size are those stored, or, for a message
/// made here of which the server has told no ENVELOPE yet, where its size and header are ours.
struct MessageSearch {
  let client: IMAPClient
  let store: Store
  let account: ID<Account>
  /// How many hits are looked at, the newest.
  let limit: Int

  /// The UIDs of what is equal to the message of `operation`, ascending, from `lowest` on.
  func matches(_ operation: OperationRecord, from lowest: UID = 1) async throws -> [UID] {
    let hits = try await client.search(Self.criteria(operation)).uids.filter { $0 >= lowest }
    guard !hits.isEmpty else { return [] }
    var same: [UID] = []
    var equallyLong: [UID] = []
    let fetch = client.fetch(UIDSet(hits.suffix(limit)), .identity, newestFirst: false)
    while let batch = try await fetch.next() {
      for message in batch {
        guard let uid = message.uid else { continue }
        if NewMessage.identity(of: message) == operation.identity {
          same.append(uid)
        } else if message.size.map(Int64.init) == operation.size {
          equallyLong.append(uid)
        }
      }
    }
    if same.isEmpty, let blob = operation.blob, !equallyLong.isEmpty {
      same = try await withOurHeader(equallyLong, blob)
    }
    return same.sorted()
  }

  private static func criteria(_ operation: OperationRecord) -> SearchCriteria {
    if let messageID = operation.messageID {
      return .header(name: "Message-ID", value: "<\(messageID)>")
    }
    let size = Int(clamping: operation.size)
    return .and([.largerThan(size - 1), .smallerThan(size + 1)])
  }

  /// Those of `uids` whose header is the start of what is kept in `blob`.
  private func withOurHeader(_ uids: [UID], _ blob: ID<Blob>) async throws -> [UID] {
    guard let start = try await store.blobChunk(0, of: blob, of: account) else { return [] }
    var same: [UID] = []
    let fetch = client.fetch(UIDSet(uids), .section(.header), newestFirst: false)
    while let batch = try await fetch.next() {
      for message in batch {
        guard let uid = message.uid, let header = message.section("HEADER"), !header.isEmpty,
          start.starts(with: header)
        else { continue }
        same.append(uid)
      }
    }
    return same
  }
}
