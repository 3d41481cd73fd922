import Bytes
import Logging
import MailProtocols
import MailTransport
import Model
import Net
import Store

/// One pass over one mailbox: what is new, what changed, what is gone.
///
/// The order matters. Messages come first, newest first, so that a page can be read while the rest
/// comes in. Then flags, from the MODSEQ that was seen before the messages were fetched, so that no
/// change in between is lost. Last, what vanished. With QRESYNC the server tells flags and what
/// vanished when it opens the mailbox; they are stored in the same place, and the MODSEQ with them.
struct MailboxSync {
  let client: IMAPClient
  let store: Store
  let configuration: EngineConfiguration
  let now: @Sendable () -> Timestamp
  /// Where rows are made while this loop reads on and stores.
  let helper: EventLoop
  /// Whether a new message may be one that was known before: not in an account's first sync.
  let rematches: Bool
  /// Where to go on with the flags of old messages.
  let sweep: FlagSweep
  /// What the mailboxes were when they were listed.
  let listed: ListedMailboxes
  /// Whether a mailbox that is opened with another UIDVALIDITY than it was listed with is taken for what it was.
  let believesList: Bool
  /// Makes a second connection, with which a large mailbox is read.
  let second: @Sendable () async throws -> IMAPClient
  /// Called when a mailbox has been opened.
  let whenOpened: () -> Void
  /// Whether intents want the connection: they do not wait for the end of a first sync.
  let hasIntents: () -> Bool
  /// Replays them between two batches; whether it did anything.
  let betweenBatches: () async throws -> Bool

  /// A mailbox has another UIDVALIDITY than when it was listed: it may be another one of the same name.
  struct ReplacedMailbox: Error {}

  /// The counters by which an unchanged mailbox is known without SELECT.
  static let statusItems: [StatusItem] = [
    .messages, .uidNext, .uidValidity, .unseen, .highestModSeq, .mailboxID,
  ]

  /// Whether `status` says that nothing happened since the last pass.
  ///
  /// Without CONDSTORE it tells of no flag but `\Seen`: with `comparesFlags` it then says nothing.
  static func isCurrent(
    _ mailbox: Mailbox,
    _ status: MailboxStatus,
    hidden: HiddenMessages,
    comparesFlags: Bool
  ) -> Bool {
    guard mailbox.syncedDownTo == 1, let uidNext = status.uidNext,
      Int64(uidNext.value) == mailbox.uidNext,
      status.uidValidity.map({ Int64($0.value) }) == mailbox.uidValidity
    else { return false }
    // What a pass that broke off left to be matched is matched or removed by a whole one.
    guard !hidden.haveUnmatched, !mailbox.isUnsure else { return false }
    // An expunge need not raise HIGHESTMODSEQ where there is no QRESYNC (RFC 7162 §3.1.2).
    guard status.messages.map(Int64.init) == mailbox.totalMessages + hidden.count else {
      return false
    }
    if let modSeq = status.highestModSeq, modSeq.value > 0 {
      return Int64(clamping: modSeq.value) == mailbox.highestModSeq
    }
    if comparesFlags, status.messages != 0 { return false }
    return status.unseen.map(Int64.init) == mailbox.unreadMessages - hidden.unseenHere
  }

  /// Brings `mailbox` up to date; throws `ReplacedMailbox` where the list is to be read again first.
  ///
  /// - Returns: The mailbox as the server had it at the end.
  @discardableResult
  func run(_ mailbox: Mailbox) async throws -> SelectedMailbox? {
    var (selected, changes) = try await open(mailbox)
    whenOpened()
    guard listed.agrees(selected, mailbox) || believesList else { throw ReplacedMailbox() }
    var mailbox = try await store.beginSync(
      of: mailbox,
      uidValidity: selected.storedUIDValidity
    )
    let wasComplete = mailbox.syncedDownTo == 1
    try await fetchOld(&mailbox, &selected)
    try await fetchNew(&mailbox, selected)
    if let changes {
      try await apply(changes, to: mailbox)
    } else if wasComplete {
      try await compareFlags(mailbox, selected)
    }
    try await compareUIDs(mailbox)
    try await store.holdUnmatched(from: mailbox)
    return client.selected
  }

  // MARK: - Messages

  /// The first sync, or the rest of one that was interrupted.
  private func fetchOld(
    _ mailbox: inout Mailbox,
    _ selected: inout SelectedMailbox
  ) async throws {
    if mailbox.syncedDownTo == 1 { return }
    var missing: UIDSet
    if let reached = mailbox.syncedDownTo, reached > 1 {
      missing = try await client.search(
        .uids(UIDSet(UID(1)...UID(UInt32(clamping: reached - 1))))
      )
    } else {
      missing = try await client.search(.all)
      let top = missing.bounds.map { Int64($0.upperBound.value) + 1 } ?? 1
      let uidNext = max(selected.uidNext.map { Int64($0.value) } ?? 1, top)
      let progress = MailboxProgress(
        uidNext: uidNext,
        highestModSeq: selected.highestModSeq.map { Int64(clamping: $0.value) },
        syncedDownTo: max(uidNext, 2)
      )
      try await store.setProgress(progress, of: mailbox)
      mailbox.uidNext = uidNext
      mailbox.highestModSeq = progress.highestModSeq
    }
    let isLarge = missing.count > configuration.batch
    try await store.firstSyncs.during {
      while !missing.isEmpty {
        missing =
          rematches
          ? try await fetchSliceDownwards(missing, mailbox, &selected)
          : try await fetchDownwards(missing, mailbox, &selected)
      }
    }
    if isLarge { Heap.releaseFreeMemory() }
    try await store.setProgress(MailboxProgress(syncedDownTo: 1), of: mailbox)
    mailbox.syncedDownTo = 1
  }

  /// Fetches the newest of `missing`, which may have been elsewhere before; what is left.
  private func fetchSliceDownwards(
    _ missing: UIDSet,
    _ mailbox: Mailbox,
    _ selected: inout SelectedMailbox
  ) async throws -> UIDSet {
    let (slice, rest) = missing.split(after: configuration.rematchSlice, newestFirst: true)
    try await fetchArrivals([slice], into: mailbox) { bounds in
      MailboxProgress(syncedDownTo: Int64(bounds.lowerBound.value))
    }
    if hasIntents(), try await betweenBatches() { selected = try await reselect(mailbox) }
    return rest
  }

  /// Opens the mailbox again after intents: what they brought here lies above another UIDNEXT.
  func reselect(_ mailbox: Mailbox) async throws -> SelectedMailbox {
    let selected = try await client.select(mailbox.imapName)
    guard selected.storedUIDValidity == mailbox.uidValidity else {
      throw IMAPError.refused(command: "SELECT", response: "UIDVALIDITY changed.", code: nil)
    }
    return selected
  }

  /// What arrived since the last pass.
  private func fetchNew(_ mailbox: inout Mailbox, _ selected: SelectedMailbox) async throws {
    let known = mailbox.uidNext ?? 1
    if let uidNext = selected.uidNext, Int64(uidNext.value) <= known { return }
    let arrived = try await newUIDs(UID(UInt32(clamping: max(known, 1))), selected.uidNext)
    let top = max(known, arrived.bounds.map { Int64($0.upperBound.value) + 1 } ?? known)
    try await fetchArrivals(arrived.chunks(of: configuration.rematchSlice), into: mailbox) {
      MailboxProgress(uidNext: Int64($0.upperBound.value) + 1)
    } within: {
      MailboxProgress(uidNext: Int64($0.value) + 1)
    }
    let uidNext = max(top, selected.uidNext.map { Int64($0.value) } ?? 0)
    if uidNext != mailbox.uidNext {
      try await store.setProgress(MailboxProgress(uidNext: uidNext), of: mailbox)
      mailbox.uidNext = uidNext
    }
  }

  /// The UIDs from `first` on: by SEARCH where they may be many, or where the server tells no UIDNEXT.
  private func newUIDs(_ first: UID, _ uidNext: UID?) async throws -> UIDSet {
    if let uidNext, uidNext > first,
      Int(uidNext.value - first.value) <= configuration.batch
    {
      return UIDSet(first...UID(uidNext.value - 1))
    }
    // `n:*` names the last message even where its UID is below n (RFC 3501 §6.4.8).
    return UIDSet(try await client.search(.uids(UIDSet(from: first))).uids.filter { $0 >= first })
  }

  // MARK: - Flags and deletions

  private func compareFlags(_ mailbox: Mailbox, _ selected: SelectedMailbox) async throws {
    if let current = selected.highestModSeq, let known = mailbox.highestModSeq {
      guard Int64(clamping: current.value) != known else { return }
      // Leniency `lostVersions`: one that counts from lower on again says nothing of what changed since.
      let changed =
        Int64(clamping: current.value) < known
        ? try await client.fetchFlags(.all)
        : try await client.fetchFlags(changedSince: ModSeq(UInt64(max(known, 0))))
      try await apply(changed, to: mailbox, modSeq: Int64(clamping: current.value))
    } else if let current = selected.highestModSeq {
      // No MODSEQ was known; the next pass begins at this one.
      let all = try await client.fetchFlags(.all)
      try await apply(all, to: mailbox, modSeq: Int64(clamping: current.value))
    } else {
      try await sweepFlags(mailbox)
    }
  }

  /// Compares the flags of the newest messages and of some older ones, other ones each time.
  ///
  /// A server without CONDSTORE cannot tell what changed: so no pass costs more than that, however
  /// large the mailbox. While UNSEEN tells of a change that was not found yet, no pass leaves it out.
  private func sweepFlags(_ mailbox: Mailbox) async throws {
    guard let newest = try await store.lowestUID(of: mailbox, ofNewest: configuration.newestFlags)
    else { return }
    try await apply(
      client.fetchFlags(UIDSet(from: UID(UInt32(clamping: newest)))),
      to: mailbox,
      modSeq: nil
    )
    var top = min(sweep[mailbox.id] ?? newest, newest)
    var lowest = try await store.lowestUID(
      of: mailbox,
      ofNewest: configuration.olderFlags,
      below: top
    )
    if lowest == nil, top < newest {
      top = newest
      lowest = try await store.lowestUID(
        of: mailbox,
        ofNewest: configuration.olderFlags,
        below: top
      )
    }
    sweep[mailbox.id] = lowest
    guard let lowest else { return }
    let older = UID(UInt32(clamping: lowest))...UID(UInt32(clamping: top - 1))
    try await apply(client.fetchFlags(UIDSet(older)), to: mailbox, modSeq: nil)
  }

  func apply(
    _ flags: [(uid: UID, flags: [Flag])],
    to mailbox: Mailbox,
    modSeq: Int64?
  ) async throws {
    var start = 0
    repeat {
      let end = min(start + configuration.flagBatch, flags.count)
      let part = flags[start..<end].map { told in
        ServerFlags(
          uid: Int64(told.uid.value),
          keywords: KeywordMap.keywords(of: told.flags),
          isDeleted: told.flags.contains(.deleted)
        )
      }
      let isLast = end == flags.count
      try await store.applyFlags(
        part,
        to: mailbox,
        progress: MailboxProgress(highestModSeq: isLast ? modSeq : nil)
      )
      start = end
    } while start < flags.count
  }

  // MARK: - What is there

  /// Holds what the server no longer has, and fetches what it has and a fetch left out.
  private func compareUIDs(_ mailbox: Mailbox) async throws {
    guard let exists = client.selected?.exists,
      try await !store.knowsUIDs(of: mailbox, count: Int64(exists))
    else { return }
    let onServer = try await allUIDs()
    let known = try await store.knownUIDs(of: mailbox).map { UID(UInt32(clamping: $0)) }
    let vanished = known.filter { !onServer.contains($0) }
    try await store.holdVanished(vanished.map { Int64($0.value) }, from: mailbox)
    try await store.setSure(mailbox)
    // What arrived since is the next pass's.
    let next = UID(UInt32(clamping: mailbox.uidNext ?? 1))
    let held = UIDSet(known)
    let missing = UIDSet(onServer.uids.filter { $0 < next && !held.contains($0) })
    try await fetchArrivals(missing.chunks(of: configuration.rematchSlice), into: mailbox) { _ in
      MailboxProgress()
    }
  }

  /// Every UID on the server.
  ///
  /// Nothing is destroyed here on the strength of an answer that does not add up: SEARCH must tell as
  /// many messages as there are. A message may come between the two, so it is asked twice.
  private func allUIDs() async throws -> UIDSet {
    for _ in 0..<2 {
      let found = try await client.search(.all)
      if let exists = client.selected?.exists, found.count == Int(exists) { return found }
    }
    throw IMAPError.refused(
      command: "UID SEARCH",
      response: "The server tells another number of messages than there are.",
      code: nil
    )
  }
}
