import Crypto
import Logging
import MIME
import MailProtocols
import MailTransport
import Model
import Net
import Store

/// What one session with an account's POP3 server does, from the login to QUIT.
///
/// Whatever comes is stored before QUIT: a server with `EXPIRE 0` deletes then what it has handed out
/// (RFC 2449 §6.7). A session in which something could not be stored ends without QUIT, which deletes nothing (RFC 1939 §6).
final class POP3Pass: @unchecked Sendable {  // Confined to the loop of its client.
  /// What a pass leaves to be done.
  struct Outcome {
    /// What the list was, where nothing is to be done before it is another one.
    var settled: [UInt8]?
    /// Whether another session would bring more at once.
    var hasMore = false
    /// Why some of the mail is not here.
    var failure: ServiceError?
  }

  let account: ID<Account>
  let client: POP3Client
  let services: EngineServices
  let inbox: ID<Mailbox>
  let logger: Logger
  var ledger = POP3Ledger([], [])
  /// Whether headers are asked for; no more once the connection broke over it.
  var usesTop = true
  /// Whether the list tells sizes.
  private var hasSizes = false
  /// Whether the session brought nothing new before it broke off, or the server refused the rest.
  private(set) var isStuck = false
  /// The messages that are longer than any may be, by `name(of:)`.
  private(set) var tooLong: Set<[UInt8]>
  /// With which of the messages to begin, where others are handed out in vain.
  private let start: Int
  private let retention: ServerRetention
  /// How many messages this session brought.
  private(set) var stored = 0
  /// Whether something came that is not stored.
  private(set) var hasLeft = false
  /// How many messages the server does not hand out in this session.
  private var refused = 0
  private var failure: ServiceError?

  init(
    account: ID<Account>,
    client: POP3Client,
    services: EngineServices,
    inbox: ID<Mailbox>,
    logger: Logger,
    tooLong: Set<[UInt8]>,
    start: Int,
    retention: ServerRetention
  ) {
    self.account = account
    self.client = client
    self.services = services
    self.inbox = inbox
    self.logger = logger
    self.tooLong = tooLong
    self.start = start
    self.retention = retention
  }

  /// Fetches what is new; does nothing where the list is the one that `last` left settled.
  func run(after last: Outcome?) async throws -> Outcome {
    let first = last == nil ? try await services.store.serverMessages(of: account) : nil
    // Of a mailbox that nothing is known of, all will be fetched: their sizes are asked for at once.
    hasSizes = first?.isEmpty ?? false
    let list = try await client.messages(withSizes: hasSizes).messages
    let fingerprint = Self.fingerprint(list)
    if let last, let settled = last.settled, settled == fingerprint {
      _ = await client.quit()
      return last
    }
    let known: [ServerMessage]
    if let first {
      known = first
    } else {
      known = try await services.store.serverMessages(of: account)
    }
    ledger = POP3Ledger(known, list)
    do {
      try await fetch()
      isStuck = (refused > 0 || hasLeft) && stored == 0
    } catch {
      isStuck = stored == 0
      // What was found out stays so.
      try await record()
      throw error
    }
    let isWhole = refused == 0 && !hasLeft
    if isWhole { ledger.finish() }
    try await record()
    if hasLeft { client.close() } else { try await end() }
    return Outcome(
      // What is to be deleted is another question each time.
      settled: isWhole && !retention.deletes ? fingerprint : nil,
      hasMore: refused > 0 && stored > 0,
      failure: refused > 0 && stored > 0 ? nil : failure
    )
  }

  private func fetch() async throws {
    let left = try await identified(ledger.candidates)
    guard !left.isEmpty else { return }
    let queue = try await sized(left).filter { !isTooLong($0) }
    let first = queue.isEmpty ? 0 : start % queue.count
    // The search index, which reads every message that is stored, leaves a download the machine.
    try await services.store.firstSyncs.during {
      try await POP3Fetch(self, Array(queue[first...] + queue[..<first])).run()
    }
  }

  /// The same messages with their sizes.
  private func sized(_ messages: [POP3ListedMessage]) async throws -> [POP3ListedMessage] {
    guard !hasSizes else { return messages }
    // Only now, since servers may have to read every message to know its size.
    let listed = try await client.messages(withSizes: true).messages
    let octets = Dictionary(
      listed.lazy.map { ($0.number, $0.octets) },
      uniquingKeysWith: { first, _ in first }
    )
    return messages.map { message in
      POP3ListedMessage(
        number: message.number,
        uniqueID: message.uniqueID,
        ordinal: message.ordinal,
        octets: octets[message.number] ?? nil
      )
    }
  }

  /// Deletes what need not stay, and says goodbye; only the answer to that says that it is gone (RFC 1939 §6).
  private func end() async throws {
    let marked = retention.deletes ? try await deleteDue(retention) : []
    let farewell = await client.quit()
    guard !marked.isEmpty else { return }
    if case .refused(let reply) = farewell { noteUndeleted("QUIT", reply) }
    guard case .done = farewell else { return }
    var changes = ServerMessageChanges()
    for key in marked { changes.states[key] = .deleted }
    try await services.store.change(changes, of: account)
  }

  private func record() async throws {
    try await services.store.change(ledger.takeChanges(), of: account)
  }

  /// What the list is, where ids alone say what is there.
  private static func fingerprint(_ list: [POP3ListedMessage]) -> [UInt8]? {
    var digest = SHA256()
    for message in list {
      guard let id = message.uniqueID, message.ordinal == 1 else { return nil }
      digest.update(id.bytes.span)
      digest.update([0x0A].span)
    }
    return digest.finish()
  }

  // MARK: - What fetching tells

  /// Takes note of messages that are durable now.
  func noteStored(_ count: Int) { stored += count }

  /// Takes note of a message that came and could not be kept: it stays on the server, for which the session ends without QUIT.
  func noteLeft(_ reason: ServiceError) {
    hasLeft = true
    failure = reason
  }

  /// Takes note of a message that the server does not hand out.
  func noteRefused(_ reply: POP3Reply) {
    refused += 1
    failure = ServiceError(
      POP3Error.refused(command: "RETR", reply),
      host: services.host(of: account)
    )
  }

  /// Takes note that the server keeps what should have gone from it: each session asks again, and until one is heard the account says so.
  func noteUndeleted(_ command: String, _ reply: POP3Reply) {
    failure =
      failure
      ?? ServiceError(
        POP3Error.refused(command: command, reply),
        host: services.host(of: account)
      )
  }

  /// Takes note of a message that is longer than any may be, so that it is not asked for again.
  func noteTooLong(_ listed: POP3ListedMessage) { tooLong.insert(Self.name(of: listed)) }

  private func isTooLong(_ listed: POP3ListedMessage) -> Bool {
    guard tooLong.contains(Self.name(of: listed)) else { return false }
    let limit = services.configuration.messageBytes
    failure = ServiceError(
      .bodyTooLarge,
      "A message on the server is longer than \(limit) bytes, and stays there."
    )
    return true
  }

  /// What a message can be told by from session to session, if not for certain.
  private static func name(of listed: POP3ListedMessage) -> [UInt8] {
    listed.uniqueID?.bytes ?? Array("\0\(listed.number) \(listed.octets ?? 0)".utf8)
  }
}

// MARK: - By their headers

extension POP3Pass {
  /// The candidates that their headers do not tell to be known; those that may be new come first.
  ///
  /// Headers are asked for only of messages that are likely to be known: else they would come twice.
  private func identified(
    _ candidates: [POP3Ledger.Candidate]
  ) async throws -> [POP3ListedMessage] {
    let unfinished = candidates.filter { $0.doubt == .unfinished }.map(\.listed)
    let hasOtherIDs = ledger.hasOtherIDs
    let (asked, new) = candidates.filter { $0.doubt != .unfinished }.reduce(
      into: ([POP3ListedMessage](), [POP3ListedMessage]())
    ) { lists, candidate in
      if ledger.hasUnfound, candidate.doubt == .ambiguous || hasOtherIDs {
        lists.0.append(candidate.listed)
      } else {
        lists.1.append(candidate.listed)
      }
    }
    return try await new + findByHeader(asked) + unfinished
  }

  /// A header that is longer is not read for this.
  private static let headerLimit = 256 << 10

  private func findByHeader(_ asked: [POP3ListedMessage]) async throws -> [POP3ListedMessage] {
    let mayHaveTop = client.capabilities?.offers(.top) ?? true
    guard !asked.isEmpty, mayHaveTop, usesTop else { return asked }
    usesTop = false
    defer { if client.isUsable { usesTop = true } }
    var left: [POP3ListedMessage] = []
    let tops = client.tops(of: asked)
    while let next = try await tops.nextMessage() {
      guard case .message(let listed) = next else {
        if case .refused(let listed, _) = next { left.append(listed) }
        continue
      }
      var header: [UInt8] = []
      while let piece = try await tops.nextPiece() {
        if header.count < Self.headerLimit { header += piece }
      }
      let isWhole = header.count < Self.headerLimit && tops.lastEnd == .dot
      let digest = isWhole ? POP3ContentIdentity(LineEnds.canonical(header)).headerDigest : nil
      guard let digest, ledger.find(listed, header: digest) else {
        left.append(listed)
        continue
      }
    }
    return left
  }
}
