import Archives
import Bytes
import Logging
import MailProtocols
import MIME
package import Model
import Net
package import Store

extension Engine {
  /// Queues an import, which waits for its archive.
  package func createImport(
    _ request: ImportRequest,
    of account: ID<Account>,
    claim: IdempotencyClaim? = nil
  ) async throws(ServiceError) -> JobRecord {
    guard let mailbox = try await store.mailbox(request.mailbox, of: account) else {
      throw .notFound("mailbox")
    }
    if request.skipsDuplicates, !mailbox.isLocal {
      throw ServiceError(
        .unprocessable,
        "Duplicates can only be told in a mailbox whose messages are kept here."
      )
    }
    return try await store.insertJob(
      kind: Store.importKind,
      of: account,
      request: request.json,
      claim: claim
    )
  }

  /// Stores the messages of an archive that comes in piece by piece from the byte `offset` on, up to its end.
  ///
  /// What was stored stays where this throws, and `position` of the job says from where on the rest is wanted: nothing is stored twice,
  /// whatever stopped it. A failure that would come again ends the job.
  package func receiveArchive(
    of id: ID<Job>,
    of account: ID<Account>,
    from offset: Int64,
    _ next: @escaping () async throws -> [UInt8]?
  ) async throws -> JobRecord {
    let claim = try await store.claimImport(id, of: account, from: offset)
    let lane = ImportLane(claim, account, self)
    do {
      let run = try await MailImport(claim, account, self, lane)
      try await store.firstSyncs.during { try await run.receive(next) }
    } catch {
      await lane.end()
      let isFinal = (error as? ServiceError).map { !$0.isRetryable && $0.code != .conflict }
      try? await store.releaseImport(  // Else the next claim finds it as it was.
        id,
        of: account,
        after: lane.steps,
        failure: isFinal == true ? (error as? ServiceError)?.message : nil
      )
      throw error
    }
    guard let job = try await store.job(id) else { throw ServiceError.notFound("import") }
    return job
  }
}

/// Stores the batches of one import in their order, one while the next are read and parsed.
private final class ImportLane: @unchecked Sendable {  // Stays on its request's loop.
  private let job: ID<Job>
  private let account: ID<Account>
  private let engine: Engine
  private var storing: Task<Void, any Error>?
  /// How many steps the job has taken.
  private(set) var steps: Int64

  init(_ claim: ImportClaim, _ account: ID<Account>, _ engine: Engine) {
    job = claim.job.id
    steps = claim.steps
    self.account = account
    self.engine = engine
  }

  /// Waits until the batch before is stored, and begins to store this one.
  func store(_ batch: [Delivery], _ step: ImportStep) async throws {
    try await wait()
    var step = step
    step.number = steps
    let (job, account, engine) = (job, account, engine)
    // What is busy reading would keep PostgreSQL waiting.
    storing = Task(executorPreference: engine.services.group.another()) { [step] in
      // What stands before a message that is refused is stored all the same.
      defer { engine.wake(account, .operations) }
      try await engine.store.store(
        batch,
        of: job,
        step,
        to: account,
        quota: engine.services.configuration.quotaBytes
      )
    }
  }

  /// Waits until everything is stored.
  func wait() async throws {
    guard let storing else { return }
    defer { self.storing = nil }
    try await storing.value
    steps += 1
  }

  /// Waits for what is under way, however it ends.
  func end() async {
    if case .success? = await storing?.result { steps += 1 }
    storing = nil
  }
}

/// One archive on its way into mailboxes.
private final class MailImport {
  private let account: ID<Account>
  private let engine: Engine
  private let lane: ImportLane
  private let request: ImportRequest
  private let configuration: EngineConfiguration
  private let target: Mailbox
  private var reader: ArchiveReader
  private var mailboxes: [[String]: ID<Mailbox>] = [:]
  /// What each mailbox holds, from the first message on that goes there; nothing where that does not matter.
  private var known: [ID<Mailbox>: Set<ContentIdentity>] = [:]
  /// How many lines the report has.
  private var reported: Int
  private var batch: [ArchivedMessage] = []
  private var bytes = 0
  /// The batch that is being prepared, and what it adds to how far the job is.
  private var underWay: (preparing: Task<[Delivery], any Error>, step: ImportStep)?
  /// Whether a batch could not be stored, so that none after it may be.
  private var hasFailed = false
  private var step = ImportStep(number: 0, position: 0, place: "{}")

  init(
    _ claim: ImportClaim,
    _ account: ID<Account>,
    _ engine: Engine,
    _ lane: ImportLane
  ) async throws {
    guard let request = ImportRequest(json: claim.job.request) else {
      throw ServiceError(.internalError, "The import's request cannot be read.")
    }
    guard let target = try await engine.store.mailbox(request.mailbox, of: account) else {
      throw ServiceError.notFound("mailbox")
    }
    let configuration = engine.services.configuration
    var limits = ArchiveLimits()
    limits.messageBytes = configuration.messageBytes
    let place = claim.place.flatMap { ArchivePlace(json: $0) } ?? ArchivePlace()
    reader = ArchiveReader(request.format, from: place, limits)
    reported = claim.job.errors.count
    (self.account, self.engine, self.lane, self.request, self.target) =
      (account, engine, lane, request, target)
    self.configuration = configuration
  }

  /// Reads and stores all that `next` gives.
  ///
  /// What was read before an error of the reading is stored all the same.
  func receive(_ next: () async throws -> [UInt8]?) async throws {
    do {
      try await read(next)
    } catch {
      if !hasFailed { try? await prepareBatch() }  // The first error is the one to tell.
      try? await storePrepared()  // Likewise.
      throw error
    }
    try await storePrepared()
    try await lane.wait()
  }

  private func read(_ next: () async throws -> [UInt8]?) async throws {
    while let piece = try await next() {
      for slice in reader.slices(of: piece) {
        reader.receive(Array(slice))
        try await take()
        // What comes compressed may be a thousand times as much: others have their turn between.
        if slice.endIndex < piece.endIndex { await Task.yield() }
      }
    }
    reader.finish()
    try await take()
    step.isLast = true
    try await prepareBatch()
  }

  private func take() async throws {
    while let event = reader.next() {
      switch event {
      case .defect(let defect):
        if defect.kind.isLoss { step.skipped += 1 }
        report(defect.words)
      case .message(let message) where message.isDeleted: step.skipped += 1
      case .message(let message):
        batch.append(message)
        bytes += message.raw.count
        if batch.count >= configuration.importBatch || bytes >= configuration.importBytes {
          try await prepareBatch()
        }
      }
    }
  }

  private func report(_ words: String) {
    reported += 1
    if reported < configuration.importErrors {
      step.errors.append(words)
    } else if reported == configuration.importErrors {
      step.errors.append("There is more that is not as it should be, of which nothing is said.")
    }
  }

  /// Begins to prepare the batch, while the one before is stored and more is read.
  private func prepareBatch() async throws {
    // A batch for which that fails is still to come.
    var targets: [ID<Mailbox>] = []
    for message in batch {
      targets.append(try await mailbox(message.mailbox, at: message.offset))
    }
    let place = reader.place
    step.position = place.offset
    step.place = place.json
    let before = underWay
    underWay = (prepare(batch, targets), step)
    batch = []
    bytes = 0
    step = ImportStep(number: 0, position: 0, place: "{}")
    try await store(before)
  }

  /// Has what is being prepared stored, and with it how far the archive is read.
  private func storePrepared() async throws {
    let last = underWay
    underWay = nil
    try await store(last)
  }

  private func store(
    _ batch: (preparing: Task<[Delivery], any Error>, step: ImportStep)?
  ) async throws {
    guard let batch else { return }
    // Its place lies behind what could not be stored.
    guard !hasFailed else { return _ = await batch.preparing.result }
    do {
      var step = batch.step
      let deliveries = try await fresh(try await batch.preparing.value, &step)
      try await lane.store(deliveries, step)
    } catch {
      hasFailed = true
      throw error
    }
  }

  /// Without those that their mailbox has, where they are to be left out.
  private func fresh(
    _ deliveries: [Delivery],
    _ step: inout ImportStep
  ) async throws -> [Delivery] {
    guard request.skipsDuplicates else { return deliveries }
    for mailbox in Set(deliveries.map(\.mailbox)) where known[mailbox] == nil {
      // The batch that is being stored holds nothing for it, else it were known.
      known[mailbox] = try await engine.store.contentIdentities(in: mailbox, of: account)
    }
    return deliveries.filter { delivery in
      let identity = ContentIdentity(delivery.message.identity)
      let isNew = known[delivery.mailbox, default: []].insert(identity).inserted
      if !isNew { step.skipped += 1 }
      return isNew
    }
  }

  /// Begins to parse and compress messages, beside the loop.
  private func prepare(
    _ messages: [ArchivedMessage],
    _ targets: [ID<Mailbox>]
  ) -> Task<[Delivery], any Error> {
    guard !messages.isEmpty else { return Task { [] } }
    let services = engine.services
    let compressors = engine.store.compressors
    let now = services.now()
    return Task(executorPreference: services.group.another()) {
      try await services.group.blocking.run {
        try MailImport.deliveries(messages, targets, now, compressors)
      }
    }
  }

  private static func deliveries(
    _ messages: [ArchivedMessage],
    _ targets: [ID<Mailbox>],
    _ now: Timestamp,
    _ compressors: Compressors
  ) throws -> [Delivery] {
    try zip(messages, targets).map { message, mailbox in
      try Delivery(
        message.raw,
        message.keywords,
        received(message, now),
        into: mailbox,
        by: compressors
      )
    }
  }

  /// When a message came in; one that says tomorrow or later, as damaged archives do, came in now.
  private static func received(_ message: ArchivedMessage, _ now: Timestamp) -> Timestamp {
    let day: Int64 = 86_400
    guard let seconds = message.receivedAt, seconds <= now.seconds + day else { return now }
    return Timestamp(seconds: seconds)
  }

  /// The mailbox that a folder of the archive stands for, made where there is none.
  ///
  /// It stands below that of the import, or at the top beside the inbox. What no mailbox can be called has its messages in the one above.
  private func mailbox(_ folder: [String], at offset: Int64) async throws -> ID<Mailbox> {
    guard let name = folder.last else { return request.mailbox }
    if let known = mailboxes[folder] { return known }
    let parent: ID<Mailbox>?
    if folder.count > 1 {
      parent = try await mailbox(folder.dropLast(), at: offset)
    } else {
      parent = target.role == "inbox" ? nil : target.id
    }
    let decoded = MailboxName(encoded: Array(name.utf8)).decoded
    let all = try await engine.store.mailboxes(of: account).mailboxes
    let found = all.first { $0.parentID == parent && $0.name == decoded }?.id
    let id: ID<Mailbox>
    if let found {
      id = found
    } else if let made = try await make(decoded, below: parent) {
      id = made
    } else {
      report(
        "At byte \(offset): no mailbox can have the folder's name; its messages are in the one above."
      )
      id = parent ?? request.mailbox
    }
    mailboxes[folder] = id
    return id
  }

  /// A new mailbox; nil where none can have the name.
  private func make(_ name: String, below parent: ID<Mailbox>?) async throws -> ID<Mailbox>? {
    do {
      return try await engine.createMailbox(account, name: name, parent: parent).id
    } catch {
      if error.code == .invalidRequest { return nil }
      throw error
    }
  }
}
