package import MailProtocols
package import Net

/// What a mailbox was found to be since it was last known.
package struct MailboxResync: Sendable {
  /// How the changes were found.
  package enum Means: Hashable, Sendable {
    /// The server told them with SELECT (RFC 7162).
    case qresync
    /// By CHANGEDSINCE, and a search for what is still there.
    case condStore
    /// All flags were read: `changed` holds every message that is there.
    case allFlags
    /// They were not: UIDVALIDITY differs, and nothing known before holds.
    case none
  }

  package var mailbox: SelectedMailbox
  package var means: Means
  /// The known messages that are gone.
  package var vanished = UIDSet()
  /// The known messages whose flags changed, as the server told them: with UID and flags.
  package var changed: [FetchedMessage] = []
}

extension IMAPClient {
  /// Whether QRESYNC was turned on.
  package var isResyncEnabled: Bool { session.enabled.contains(.qresync) }

  /// Opens `mailbox` and finds what changed since `point`, in one round trip with QRESYNC.
  ///
  /// ENABLE goes in the same write where it was not done before; it must come before the first SELECT
  /// of a connection (RFC 5161 §3.1). A server without QRESYNC, or a mailbox without versions, is
  /// compared by CHANGEDSINCE and SEARCH, or by all flags; that needs `point.uids`.
  package func select(
    _ mailbox: MailboxName,
    since point: ResyncPoint,
    readOnly: Bool = false,
    deadline: Deadline? = nil
  ) async throws(IMAPError) -> MailboxResync {
    guard canResync, point.modSeq.value > 0 else {
      return try await compare(mailbox, point, readOnly, deadline)
    }
    var commands: [IMAPCommand] = []
    if !session.enabled.contains(.qresync) { commands.append(.enable([.qresync])) }
    commands.append(.select(mailbox, readOnly: readOnly, since: point))
    var answer = SelectAnswer(mailbox, readOnly: readOnly, takesChanges: true)
    leave()
    let statuses = try await pipeline(commands, deadline: deadline) { answer.take($0) }
    guard let status = statuses.last, status.condition == .ok else {
      // Leniency `qresyncRefused`: it is listed, but not taken; some answer NO where BAD belongs. A
      // mailbox that is not there is refused again, and that is reported.
      return try await compare(mailbox, point, readOnly, deadline)
    }
    let opened = answer.finish(status)
    selected = opened
    guard opened.uidValidity == point.uidValidity else {
      return MailboxResync(mailbox: opened, means: .none)
    }
    guard opened.highestModSeq != nil else { return try await compare(opened, point, deadline) }
    let vanished = point.uids.map { answer.vanished.intersection($0) } ?? answer.vanished
    return MailboxResync(
      mailbox: opened,
      means: .qresync,
      vanished: vanished,
      changed: answer.changed.filter { $0.flags != nil }
    )
  }

  /// What changed in the selected mailbox since `modSeq` (RFC 7162 §3.2.6): flags, and where QRESYNC
  /// is enabled the messages that are gone.
  package func fetchChanges(
    of uids: UIDSet,
    since modSeq: ModSeq,
    deadline: Deadline? = nil
  ) async throws(IMAPError) -> (changed: [FetchedMessage], vanished: UIDSet) {
    guard capabilities.contains(.condStore) || capabilities.contains(.qresync) else {
      throw .unsupported("CONDSTORE")
    }
    guard !uids.isEmpty else { return ([], UIDSet()) }
    let command = IMAPCommand.fetchFlags(
      uids,
      changedSince: modSeq,
      vanished: session.enabled.contains(.qresync)
    )
    var changes = FoundChanges()
    try await perform(command, deadline: deadline) { changes.take($0) }
    return (changes.changed, changes.vanished.intersection(uids))
  }

  private var canResync: Bool {
    guard capabilities.contains(.qresync) else { return false }
    return session.enabled.contains(.qresync) || session.state == .authenticated
  }

  // MARK: - Without QRESYNC

  private func compare(
    _ mailbox: MailboxName,
    _ point: ResyncPoint,
    _ readOnly: Bool,
    _ deadline: Deadline?
  ) async throws(IMAPError) -> MailboxResync {
    let opened =
      readOnly
      ? try await examine(mailbox, deadline: deadline)
      : try await select(mailbox, deadline: deadline)
    return try await compare(opened, point, deadline)
  }

  private func compare(
    _ opened: SelectedMailbox,
    _ point: ResyncPoint,
    _ deadline: Deadline?
  ) async throws(IMAPError) -> MailboxResync {
    guard opened.uidValidity == point.uidValidity else {
      return MailboxResync(mailbox: opened, means: .none)
    }
    let hasVersions = opened.highestModSeq != nil && point.modSeq.value > 0
    let means: MailboxResync.Means = hasVersions ? .condStore : .allFlags
    var result = MailboxResync(mailbox: opened, means: means)
    guard let uids = point.uids, let range = uids.bounds.map({ UIDSet($0) }) else { return result }
    guard hasVersions else {
      let flags = try await fetchFlags(range)
      result.vanished = uids.subtracting(UIDSet(flags.map(\.uid)))
      result.changed = flags.filter { uids.contains($0.uid) }.map { uid, flags in
        var message = FetchedMessage(sequenceNumber: 0)
        message.uid = uid
        message.flags = flags
        return message
      }
      return result
    }
    let isExtended = capabilities.contains(.esearch)
    var changes = FoundChanges()
    let statuses = try await pipeline(
      [
        .fetchFlags(range, changedSince: point.modSeq, vanished: false),
        .search(.uids(range), extended: isExtended),
      ],
      deadline: deadline
    ) { changes.take($0) }
    for (status, name) in zip(statuses, ["UID FETCH", "UID SEARCH"]) where status.condition != .ok {
      throw IMAPError(status, to: name)
    }
    result.changed = changes.changed.filter { message in
      message.uid.map { uids.contains($0) } ?? false
    }
    result.vanished = uids.subtracting(changes.present)
    return result
  }
}

/// Gathers the answers to CHANGEDSINCE and to a search for what is still there.
private struct FoundChanges {
  private(set) var changed: [FetchedMessage] = []
  private(set) var vanished = UIDSet()
  private(set) var present = UIDSet()

  mutating func take(_ response: UntaggedResponse) -> Bool {
    switch response {
    case .fetch(let message) where message.uid != nil && message.flags != nil:
      changed.append(message)
    case .vanished(let uids, earlier: true): vanished.formUnion(uids)
    case .search(let uids): present.formUnion(uids)
    default: return false
    }
    return true
  }
}
