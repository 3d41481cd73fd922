import MailProtocols
import MailTransport
import Model
import Store

/// What is known of the messages at a POP3 server, held against what it lists in one session.
///
/// A unique id says which message it is where the server lists it once, and it was only ever one message's. Of
/// all others (servers without UIDL, ids that repeat, that change from session to session, or that come again after their message was
/// gone) the content decides, each known message counting once: what is left over is new. So a message is never taken for
/// another one, and none comes twice.
struct POP3Ledger {
  /// A listed message of which its unique id alone does not say that it is here.
  struct Candidate {
    /// Why it is not known.
    enum Doubt {
      /// Its id was never seen.
      case new
      /// Its id could be of several messages, or it has none.
      case ambiguous
      /// It is here, but came without its end.
      case unfinished
    }

    var listed: POP3ListedMessage
    var doubt: Doubt
  }

  /// Where a known message stands in the session's list.
  struct Place {
    var listed: POP3ListedMessage
    /// Whether it is certain that this is the message: by its id, or as it came whole in this session.
    var isProven: Bool
  }

  /// What is to be recorded so far.
  private(set) var changes = ServerMessageChanges()
  /// Where each known message stands, by the key that it has now.
  private(set) var places: [ServerMessage.Key: Place] = [:]
  /// What the list does not say to be known.
  private(set) var candidates: [Candidate] = []
  /// Whether every id that the server lists is new to us though there were others.
  private(set) var hasOtherIDs = false

  private let known: [ServerMessage]
  private var isFound: [Bool]
  private var byUniqueID: [[UInt8]: [Int]] = [:]
  private var lastOrdinal: [[UInt8]: Int] = [:]
  /// Those that a candidate may be, by what they are known by.
  private var byDigest: [[UInt8]: [Int]] = [:]
  private var byHeader: [[UInt8]: [Int]] = [:]

  /// Holds what the server lists against what is known of it.
  init(_ known: [ServerMessage], _ list: [POP3ListedMessage]) {
    self.known = known
    isFound = Array(repeating: false, count: known.count)
    byUniqueID.reserveCapacity(known.count)
    for (index, message) in known.enumerated() {
      let id = message.key.uniqueID
      byUniqueID[id, default: []].append(index)
      lastOrdinal[id] = max(lastOrdinal[id] ?? 0, message.key.ordinal)
    }
    sort(list)
    guard !candidates.isEmpty else { return }
    hasOtherIDs = !isFound.contains(true) && known.contains { !$0.isGone }
    collectUnfound()
  }

  private mutating func sort(_ list: [POP3ListedMessage]) {
    var copies: [POP3UniqueID: Int] = [:]
    for message in list {
      if let id = message.uniqueID, message.ordinal > 1 { copies[id] = message.ordinal }
    }
    for message in list {
      guard let id = message.uniqueID, copies[id] == nil else {
        candidates.append(Candidate(listed: message, doubt: .ambiguous))
        continue
      }
      let rows = byUniqueID[id.bytes] ?? []
      guard rows.count == 1, !known[rows[0]].isGone else {
        candidates.append(
          Candidate(listed: message, doubt: rows.isEmpty ? .new : .ambiguous)
        )
        continue
      }
      guard known[rows[0]].state != .doubtful else {
        candidates.append(Candidate(listed: message, doubt: .unfinished))
        continue
      }
      isFound[rows[0]] = true
      places[known[rows[0]].key] = Place(listed: message, isProven: true)
    }
  }

  /// Those that were on the server at the last look, and those that are gone but had an id that is there again.
  private mutating func collectUnfound() {
    let wanted = Set(candidates.compactMap(\.listed.uniqueID?.bytes))
    for (index, message) in known.enumerated() where !isFound[index] {
      guard !message.isGone || wanted.contains(message.key.uniqueID) else { continue }
      byDigest[message.digest, default: []].append(index)
      guard message.state != .doubtful, let header = message.headerDigest else { continue }
      byHeader[header, default: []].append(index)
    }
    // The last is taken first: let that be one that is not gone.
    byDigest = byDigest.mapValues { $0.sorted(by: isLater) }
    byHeader = byHeader.mapValues { $0.sorted(by: isLater) }
  }

  private func isLater(_ left: Int, _ right: Int) -> Bool {
    known[left].isGone != known[right].isGone ? known[left].isGone : left > right
  }

  /// Whether a candidate can be a message that is known.
  var hasUnfound: Bool { !byDigest.isEmpty }

  // MARK: - What the content says

  /// Takes a listed message for one that is known, by its header; false where none is.
  mutating func find(_ listed: POP3ListedMessage, header digest: [UInt8]) -> Bool {
    guard let index = Self.take(digest, &byHeader, isFound) else { return false }
    note(index, at: listed, isProven: false)
    return true
  }

  /// Takes a listed message that came as a whole for one that is known; false where it is new.
  ///
  /// With `hasEnd` its final dot was there.
  mutating func find(
    _ listed: POP3ListedMessage,
    _ identity: POP3ContentIdentity,
    hasEnd: Bool
  ) -> Bool {
    guard let index = Self.take(identity.digest, &byDigest, isFound) else { return false }
    let key = note(index, at: listed, isProven: hasEnd)
    if known[index].state == .doubtful { changes.states[key] = hasEnd ? .kept : .unproven }
    return true
  }

  /// The key of a message that is new.
  mutating func newKey(
    _ listed: POP3ListedMessage,
    _ identity: POP3ContentIdentity
  ) -> ServerMessage.Key {
    // No unique id holds a control character.
    nextKey(listed.uniqueID?.bytes ?? [0] + identity.digest)
  }

  /// Takes note that a message with this key is stored now.
  mutating func noteStored(_ key: ServerMessage.Key, at listed: POP3ListedMessage, hasEnd: Bool) {
    places[key] = Place(listed: listed, isProven: hasEnd)
  }

  /// Takes note that the content proves a known message to stand where it was thought to.
  mutating func prove(_ key: ServerMessage.Key) { places[key]?.isProven = true }

  /// Takes note that every candidate was looked at: what was not found is not there any more.
  mutating func finish() {
    for (index, message) in known.enumerated() where !isFound[index] && !message.isGone {
      changes.gone.append(message.key)
    }
  }

  /// What is to be recorded; it counts as recorded then.
  mutating func takeChanges() -> ServerMessageChanges {
    defer { changes = ServerMessageChanges() }
    return changes
  }

  private static func take(
    _ digest: [UInt8],
    _ table: inout [[UInt8]: [Int]],
    _ isFound: [Bool]
  ) -> Int? {
    while let index = table[digest]?.popLast() {
      if !isFound[index] { return index }
    }
    return nil
  }

  @discardableResult
  private mutating func note(
    _ index: Int,
    at listed: POP3ListedMessage,
    isProven: Bool
  ) -> ServerMessage.Key {
    isFound[index] = true
    var key = known[index].key
    if let id = listed.uniqueID?.bytes, id != key.uniqueID {
      let new = nextKey(id)
      changes.renamed.append((key, new))
      key = new
    } else if known[index].isGone {
      changes.renamed.append((key, key))
    }
    places[key] = Place(listed: listed, isProven: isProven)
    return key
  }

  private mutating func nextKey(_ id: [UInt8]) -> ServerMessage.Key {
    let ordinal = (lastOrdinal[id] ?? 0) + 1
    lastOrdinal[id] = ordinal
    return ServerMessage.Key(uniqueID: id, ordinal: ordinal)
  }
}
