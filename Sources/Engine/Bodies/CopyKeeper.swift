import Logging
import MailProtocols
import MailTransport
import Model
import Net
import Store

/// Copies the messages of an IMAP account until all of them are kept here whole.
///
/// It looks for what is missing after each pass of the account's worker, newest first, and reads it over one of the connections for
/// bodies, a batch at a time: callers who read and the worker, where the connection is its own, have their turn in between.
/// Each batch is one transaction, so that a stop or a crash costs the batch under way. Of an account that is offline it then
/// releases what need not stay on the server: the worker deletes it there.
///
/// Confined to the account's loop.
final class CopyKeeper: @unchecked Sendable {  // Confined to the worker's loop.
  private let worker: AccountWorker
  private let retention: ServerRetention
  /// Those whose bytes could not be read back as they came.
  private var damaged: Set<ID<Message>> = []
  /// Those that the server did not hand out, or that are too long, and until when nobody asks for them again.
  private var passedOver: [ID<Message>: Deadline] = [:]

  /// Copies what the worker of `account` finds.
  init(_ worker: AccountWorker, _ account: Account) {
    self.worker = worker
    retention = account.incoming.retention(in: account.mode)
  }

  private var services: EngineServices { worker.services }
  private var store: Store { worker.services.store }
  private var configuration: EngineConfiguration { worker.services.configuration }

  /// Copies what is missing whenever the worker has looked, until the task is cancelled.
  func run() async {
    var backoff = Backoff(
      first: configuration.firstBackoff,
      longest: configuration.longestBackoff
    )
    do {
      _ = try await inChildTask { try await self.noteProgress() }
    } catch {
      worker.logger.debug("copies not counted", metadata: ["reason": "\(error)"])
    }
    var retry: Deadline?
    while !Task.isCancelled {
      _ = await worker.copies.wait(until: retry, on: worker.loop)
      guard !Task.isCancelled else { return }
      do {
        try await inChildTask {
          try await self.copyAll()
          if self.retention.deletes { try await self.release() }
        }
        backoff.reset()
        retry = passedOver.values.min()
      } catch {
        worker.logger.debug("copying broke off", metadata: ["reason": "\(error)"])
        retry = .now + backoff.next(spread: Double.random(in: 0...1))
      }
    }
  }

  /// Counts what is here and what there is: once a slice, since it counts the whole account.
  @discardableResult
  private func noteProgress() async throws(ServiceError) -> CopyProgress {
    let progress = try await store.copyProgress(of: worker.account)
    worker.record.note(AccountConnection.Copy(kept: progress.kept, total: progress.total))
    return progress
  }

  /// Copies all that is missing.
  private func copyAll() async throws {
    passedOver = passedOver.filter { $0.value > .now }
    while try await !noteProgress().isWhole {
      let missing = try await store.uncopiedMessages(
        of: worker.account,
        except: Array(passedOver.keys),
        limit: configuration.copySlice
      )
      guard !missing.isEmpty else { return }
      // The search index, which reads every message that is stored, leaves this the machine.
      try await store.firstSyncs.during { try await copy(missing) }
    }
  }

  /// Stores one batch while the next is read.
  private func copy(_ missing: [UncopiedMessage]) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      var failure: (any Error)?
      do {
        for batch in batches(of: missing) {
          let raw = try await worker.bodies.withClient { client in try await read(batch, client) }
          // What is not handed out may have moved: it is looked for anew where it is then.
          let found = Set(raw.map(\.id))
          for message in batch where !found.contains(message.id) { passOver(message.id) }
          try await group.next()
          group.addTask { try await self.keep(raw) }
        }
      } catch {
        failure = error
      }
      // What was read is stored, or a server that breaks off again and again would never be copied.
      try await group.waitForAll()
      if let failure { throw failure }
    }
  }

  /// What is copied in one transaction each; a message that is longer than any may be is left out.
  private func batches(of missing: [UncopiedMessage]) -> [[UncopiedMessage]] {
    var batches: [[UncopiedMessage]] = []
    var bytes: Int64 = 0
    for message in missing {
      guard message.size <= configuration.messageBytes else {
        passOver(message.id)
        continue
      }
      let last = batches.last?.count ?? configuration.copyBatch
      if last >= configuration.copyBatch || bytes + message.size > configuration.copyBatchBytes {
        batches.append([])
        bytes = 0
      }
      batches[batches.count - 1].append(message)
      bytes += message.size
    }
    return batches
  }

  private func passOver(_ message: ID<Message>) {
    passedOver[message] = .now + configuration.longestBackoff
  }

  private func keep(_ raw: [Raw]) async throws {
    let copies = try await services.group.blocking.run { [compressors = store.compressors] in
      try raw.map { try MessageCopy(of: $0.id, raw: $0.bytes, by: compressors) }
    }
    try await store.keep(copies, of: worker.account)
  }

  /// Releases what need not stay on the server, and was read back from the disk as it came.
  private func release() async throws {
    while true {
      let due = try await store.messagesToRelease(
        from: worker.account,
        by: retention,
        except: Array(damaged),
        limit: configuration.operationBatch
      )
      var intact: [ID<Message>] = []
      for message in due {
        if try await store.isIntact(message.blob, of: worker.account) {
          intact.append(message.id)
        } else {
          damaged.insert(message.id)
          worker.logger.error("a kept message is damaged", metadata: ["message": "\(message.id)"])
        }
      }
      guard !intact.isEmpty else { return }
      try await store.release(intact, of: worker.account)
      worker.signal.notify(.operations)
    }
  }

  // MARK: - From the server

  private typealias Raw = (id: ID<Message>, bytes: [UInt8])

  private func read(_ batch: [UncopiedMessage], _ client: IMAPClient) async throws -> [Raw] {
    var raw: [Raw] = []
    let mailboxes = Dictionary(grouping: batch, by: \.encodedName)
    for (encodedName, messages) in mailboxes.sorted(by: { $0.key < $1.key }) {
      let name = MailboxName(stored: encodedName)
      do {
        try await client.examine(name)
        raw += try await readSelected(
          messages.filter { $0.uidValidity == client.uidValidity },
          client
        )
      } catch let error as IMAPError {
        // It may be gone, or be another one of the name: the worker finds out.
        guard case .refused = error else { throw error }
      }
    }
    return raw
  }

  private func readSelected(
    _ messages: [UncopiedMessage],
    _ client: IMAPClient
  ) async throws -> [Raw] {
    var raw: [Raw] = []
    // What a fetch of many would not hold in memory is read by itself.
    let limit = Int64(IMAPLimits().literalInMemory)
    let short = messages.filter { $0.size <= limit }
    var ids = Dictionary(
      messages.map { (UID(UInt32(clamping: $0.uid)), $0) },
      uniquingKeysWith: { first, _ in first }
    )
    let uids = UIDSet(short.map { UID(UInt32(clamping: $0.uid)) }.sorted())
    let fetch = client.fetch(uids, .section(.message), batchSize: 50, newestFirst: false)
    while let batch = try await fetch.next() {
      for message in batch {
        guard let uid = message.uid, let bytes = message.section(""),
          let known = ids.removeValue(forKey: uid), !bytes.isEmpty || known.size == 0
        else { continue }
        raw.append((known.id, bytes))
      }
    }
    for (uid, message) in ids.sorted(by: { $0.key < $1.key }) where message.size > limit {
      guard let bytes = try await bytes(of: message, uid, client), !bytes.isEmpty else { continue }
      raw.append((message.id, bytes))
    }
    return raw
  }

  /// The whole message; nil where it is gone.
  private func bytes(
    of message: UncopiedMessage,
    _ uid: UID,
    _ client: IMAPClient
  ) async throws(IMAPError) -> [UInt8]? {
    do throws(IMAPError) {
      return try await client.fetchBytes(uid, .message, upTo: configuration.messageBytes)
    } catch {
      if error == .notFound { return nil }
      // It is longer than the server told: what else is missing is copied without it.
      if case .limitExceeded = error { passOver(message.id) }
      throw error
    }
  }
}
