package import MailProtocols
import Net

/// The items that messages are fetched with.
package struct FetchItems: Sendable {
  enum Kind {
    case summary
    case essentials
    case flags
    case identity
    case section
  }

  var text: String
  let kind: Kind

  /// All that a first sync stores of a message, with the fields that threads and rules need.
  package static let summary = FetchItems(
    text: """
      UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS \
      (REFERENCES LIST-ID LIST-UNSUBSCRIBE AUTO-SUBMITTED PRECEDENCE X-PRIORITY IMPORTANCE \
      SENSITIVITY REPLY-TO)]
      """,
    kind: .summary
  )

  /// What a server can tell of a message that it cannot parse.
  static let essentials = FetchItems(
    text: "UID FLAGS INTERNALDATE RFC822.SIZE",
    kind: .essentials
  )

  /// The flags alone.
  package static let flags = FetchItems(text: "UID FLAGS", kind: .flags)

  /// What tells whether two messages are the same.
  package static let identity = FetchItems(
    text: "UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE",
    kind: .identity
  )

  /// One section, such as the header, of each message; one beyond `limits.literalInMemory` comes
  /// as `.streamed`, without its bytes.
  package static func section(_ section: BodySection) -> FetchItems {
    FetchItems(text: "UID \(section.item)", kind: .section)
  }

  /// Whether servers may tell of a message in parts.
  var hasParts: Bool { kind != .flags && kind != .section }

  /// Whether `message` answers this fetch, and is not a change of flags told in between.
  func isAnswered(by message: FetchedMessage) -> Bool {
    switch kind {
    case .summary: message.size != nil && !message.sections.isEmpty || hasMore(message)
    case .identity, .essentials: message.size != nil || hasMore(message)
    case .flags: message.flags != nil
    case .section: !message.sections.isEmpty
    }
  }

  /// Servers that break a message leave items out: any but the flags shows it is our answer.
  private func hasMore(_ message: FetchedMessage) -> Bool {
    message.envelope != nil || message.bodyStructure != nil || message.size != nil
      || !message.malformedItems.isEmpty
  }
}

extension IMAPClient {
  /// Fetches `items` of the messages `uids`, a batch a call of `MessageFetch.next`.
  ///
  /// Batches come newest first unless `newestFirst` is false; within one, the server's order.
  /// While the caller works on a batch, the next is on its way. A summary holds the ids of messages and
  /// threads where the server has them (RFC 8474, Gmail), and with `previews` the start of the text where
  /// the server makes it (RFC 8970), which may have it read the whole message.
  package func fetch(
    _ uids: UIDSet,
    _ items: FetchItems,
    batchSize: Int = 500,
    firstBatchSize: Int? = nil,
    newestFirst: Bool = true,
    previews: Bool = false
  ) -> MessageFetch {
    var items = items
    if items.kind == .summary {
      items.text += summaryAttributes
      if previews, capabilities.contains(.preview) { items.text += " PREVIEW" }
    }
    return MessageFetch(
      client: self,
      items: items,
      chunks: Self.chunks(uids, batchSize, firstBatchSize, newestFirst)
    )
  }

  /// The sync FETCH of the messages `uids`, newest first, in batches.
  package func fetchSummaries(
    _ uids: UIDSet,
    batchSize: Int = 500,
    firstBatchSize: Int? = 50
  ) -> MessageFetch {
    fetch(uids, .summary, batchSize: batchSize, firstBatchSize: firstBatchSize)
  }

  /// The sync FETCH of the sets that `next` gives out, a batch for each, for as long as it has any.
  ///
  /// It is asked for another one as soon as the server can go on with it, so that several connections can share the sets.
  package func fetchSummaries(
    from next: @escaping @Sendable () -> UIDSet?
  ) -> MessageFetch {
    var items = FetchItems.summary
    items.text += summaryAttributes
    return MessageFetch(client: self, items: items, chunks: [], more: next)
  }

  /// The flags of the messages `uids`, in ascending order; messages that are gone are not in it.
  package func fetchFlags(
    _ uids: UIDSet
  ) async throws(IMAPError) -> [(uid: UID, flags: [Flag])] {
    var found: [UID: [Flag]] = [:]
    let fetch = fetch(uids, .flags, batchSize: .max, newestFirst: false)
    while let batch = try await fetch.next() {
      for message in batch {
        if let uid = message.uid, let flags = message.flags { found[uid] = flags }
      }
    }
    return found.sorted { $0.key < $1.key }.map { (uid: $0.key, flags: $0.value) }
  }

  private static func chunks(
    _ uids: UIDSet,
    _ size: Int,
    _ firstSize: Int?,
    _ newestFirst: Bool
  ) -> [UIDSet] {
    // What ends in `*` names more UIDs than there are messages: it is not cut.
    guard size < uids.count, uids.ranges.last?.upperBound != .max else {
      return uids.isEmpty ? [] : [uids]
    }
    guard let firstSize, firstSize < size else {
      return uids.chunks(of: size, newestFirst: newestFirst)
    }
    let (first, rest) = uids.split(after: firstSize, newestFirst: newestFirst)
    return [first] + rest.chunks(of: size, newestFirst: newestFirst)
  }
}

/// The answers to a fetch, batch by batch.
///
/// Leniency `brokenMessage`: a server that meets a message it cannot read may end the whole command
/// by NO, after some answers or none. What it left out of a summary is asked for again in halves, down
/// to the one message, and of that one only what needs no parsing; so it hides none of its neighbours.
package final class MessageFetch {
  /// UIDs to be asked for in one command.
  private struct Chunk {
    var uids: UIDSet
    var items: FetchItems
  }

  /// A command under way, and what it was answered so far.
  ///
  /// Servers may begin to answer a command before the one before it has ended (Dovecot does), so a
  /// message belongs to the command that named its UID.
  private struct Command {
    let tag: IMAPSession.Tag
    let chunk: Chunk
    var messages: [FetchedMessage] = []
    /// Whether some of `messages` answer nothing by themselves, and may be a part of an answer.
    var hasParts = false

    /// The messages that were answered, each once.
    func answered() -> [FetchedMessage] {
      guard hasParts else { return FetchedMessage.joined(messages) }
      let answered = Set(
        messages.lazy.filter { chunk.items.isAnswered(by: $0) }.compactMap(\.uid)
      )
      return FetchedMessage.joined(messages.filter { $0.uid.map(answered.contains) == true })
    }
  }

  /// The messages of which the server tells nothing at all.
  package private(set) var refused = UIDSet()
  private let client: IMAPClient
  private let items: FetchItems
  private var chunks: ArraySlice<Chunk>
  /// Where further sets come from.
  private var more: () -> UIDSet?
  private var pending: [Command] = []
  private var hasBegun = false
  private var hasAnswers = false
  /// How many were refused since the last answer.
  private var refusedInARow = 0

  init(
    client: IMAPClient,
    items: FetchItems,
    chunks: [UIDSet],
    more: @escaping () -> UIDSet? = { nil }
  ) {
    self.client = client
    self.items = items
    self.chunks = chunks.map { Chunk(uids: $0, items: items) }[...]
    self.more = more
    if let uids = chunks.isEmpty ? more() : nil { self.chunks = [Chunk(uids: uids, items: items)] }
  }

  /// Commands under way: one being answered, one that the server can go on with.
  private static let window = 2
  /// For how many answers to a command there is room from the start, where it names that many messages.
  private static let expected = 2000

  /// The next batch, possibly empty; nil after the last one.
  ///
  /// - Throws: `refused` where the server refuses more than one message and tells none, or as many in
  ///   a row as `IMAPLimits.refusedMessages` says.
  package func next() async throws(IMAPError) -> [FetchedMessage]? {
    guard !(pending.isEmpty && chunks.isEmpty) else { return nil }
    if hasBegun {
      try client.resume(self)
    } else {
      try await client.begin(.now + client.timeouts.silence)
      hasBegun = true
    }
    do throws(IMAPError) {
      let batch = try await readBatch()
      leave()
      return batch
    } catch {
      if !error.hasBrokenConnection { dropRest() }
      leave()
      throw error
    }
  }

  private func dropRest() {
    chunks = []
    more = { nil }
  }

  private func leave() {
    if pending.isEmpty && chunks.isEmpty { client.end() } else { client.suspend(self) }
  }

  private func readBatch() async throws(IMAPError) -> [FetchedMessage] {
    while true {
      fill()
      switch try await client.nextEvent(.now + client.timeouts.silence) {
      case .untagged(.fetch(let message)): take(message)
      case .untagged(let response): client.note(response)
      case .completed(let tag, let status):
        guard let index = pending.firstIndex(where: { $0.tag == tag }) else { continue }
        var command = pending.remove(at: index)
        command.messages = command.answered()
        if !command.messages.isEmpty {
          hasAnswers = true
          refusedInARow = 0
        }
        if status.condition != .ok { try retry(command, after: status) }
        fill()
        return command.messages
      case .greeting, .literal, .wantsLiteral, .idling, .challenge: continue
      }
    }
  }

  /// Asks again for what a refused command left out.
  ///
  /// Others may have expunged messages meanwhile (RFC 2180 §4.1.2): asked for again, those are OK.
  private func retry(_ command: Command, after status: StatusResponse) throws(IMAPError) {
    // A set that ends in `*` names messages that there are none of.
    let isWhole = command.chunk.uids.bounds?.upperBound.value != .max
    guard isWhole, items.kind == .summary else {
      guard !command.messages.isEmpty else { throw IMAPError(status, to: "UID FETCH") }
      return
    }
    let answered = Set(command.messages.compactMap(\.uid))
    let missing = UIDSet(command.chunk.uids.uids.filter { !answered.contains($0) })
    if missing.count > 1 {
      let (first, rest) = missing.split(after: missing.count / 2, newestFirst: true)
      chunks.insert(
        contentsOf: [first, rest].map { Chunk(uids: $0, items: items) },
        at: chunks.startIndex
      )
    } else if !missing.isEmpty, command.chunk.items.kind == .summary {
      chunks.insert(Chunk(uids: missing, items: .essentials), at: chunks.startIndex)
    } else if let uid = missing.bounds?.lowerBound {
      refused.insert(uid)
      refusedInARow += 1
    }
    let isOver = pending.isEmpty && chunks.isEmpty
    let isHopeless = isOver && !hasAnswers && refused.count > 1
    guard !isHopeless, refusedInARow < client.limits.refusedMessages else {
      throw IMAPError(status, to: "UID FETCH")
    }
  }

  private func take(_ message: FetchedMessage) {
    guard let uid = message.uid,
      let index = pending.firstIndex(where: {
        $0.chunk.uids.contains(uid) && $0.chunk.items.isAnswered(by: message)
      })
    else {
      addPart(message)
      return client.note(.fetch(message))
    }
    pending[index].messages.append(message)
  }

  /// Keeps what may be a part of an answer, or is a change told in between: what is told last is true of either.
  private func addPart(_ message: FetchedMessage) {
    guard let uid = message.uid,
      let index = pending.firstIndex(where: { $0.chunk.uids.contains(uid) }),
      pending[index].chunk.items.hasParts,
      pending[index].messages.count < 2 * pending[index].chunk.uids.count + Self.expected
    else { return }
    pending[index].messages.append(message)
    pending[index].hasParts = true
  }

  private func fill() {
    while pending.count < Self.window,
      let chunk = chunks.popFirst() ?? more().map({ Chunk(uids: $0, items: items) })
    {
      let tag = client.session.send(.fetch(chunk.uids, chunk.items.text))
      var command = Command(tag: tag, chunk: chunk)
      command.messages.reserveCapacity(min(chunk.uids.count, Self.expected))
      pending.append(command)
    }
  }
}

extension MessageFetch: UnfinishedFetch {
  func drain(_ deadline: Deadline) async throws(IMAPError) {
    dropRest()
    while !pending.isEmpty {
      switch try await client.nextEvent(deadline) {
      case .completed(let tag, _): pending.removeAll { $0.tag == tag }
      case .untagged(let response):
        // Answers to the fetch are dropped; what came unasked is not.
        if case .fetch(let message) = response, items.isAnswered(by: message) { continue }
        client.note(response)
      default: continue
      }
    }
  }
}
