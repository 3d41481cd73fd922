package import MailProtocols
package import Net

/// A message as the server lists it.
package struct POP3ListedMessage: Hashable, Sendable {
  /// Its number in this session.
  package let number: POP3MessageNumber
  /// Its unique id; nil where the server tells none.
  package let uniqueID: POP3UniqueID?
  /// Which of the messages with this unique id it is, from 1 on: copies may share one (RFC 1939 §7).
  package let ordinal: Int
  /// Its size by the server's count, which may be wrong; nil where it was not asked for or not told.
  package let octets: Int?

  /// A message of these.
  package init(
    number: POP3MessageNumber,
    uniqueID: POP3UniqueID?,
    ordinal: Int = 1,
    octets: Int? = nil
  ) {
    self.number = number
    self.uniqueID = uniqueID
    self.ordinal = ordinal
    self.octets = octets
  }
}

/// What is in the mailbox.
package struct POP3MessageList: Hashable, Sendable {
  /// The messages by their numbers.
  package let messages: [POP3ListedMessage]
  /// Whether the server knows UIDL; without it messages are known by their content alone.
  package let hasUniqueIDs: Bool
}

extension POP3Client {
  /// How much mail there is; nil where the server's answer says nothing.
  package func status(deadline: Deadline? = nil) async throws(POP3Error) -> POP3DropListing? {
    POP3DropListing(try await perform(.status, deadline: deadline))
  }

  /// Lists all messages with their unique ids, and with their sizes if `withSizes`.
  ///
  /// In one round trip where the server pipelines. Every message that STAT counts is in the list, with
  /// neither id nor size where its lines were missing or said nothing.
  ///
  /// - Throws: `.refused` where a server that offers UIDL refuses it: all mail would look new. One that
  ///   does not offer it may refuse it (leniency `noUniqueIDs`).
  package func messages(
    withSizes: Bool = false,
    deadline: Deadline? = nil
  ) async throws(POP3Error) -> POP3MessageList {
    try await begin(deadline ?? .now + timeouts.command)
    defer { end() }
    var commands: [POP3Command] = [.status, .uniqueIDs]
    if withSizes { commands.append(.list) }
    if window > 1 { for command in commands { try send(command) } }
    var gathered = Listing()
    for command in commands {
      if window == 1 { try send(command) }
      try await read(command, into: &gathered, deadline)
    }
    if let refusal = gathered.refusal { throw .refused(command: "UIDL", refusal) }
    uniqueIDs = gathered.uniqueIDs
    return gathered.list(count: session.messageCount, limit: limits.listedMessages)
  }

  private func read(
    _ command: POP3Command,
    into listing: inout Listing,
    _ deadline: Deadline?
  ) async throws(POP3Error) {
    while true {
      switch try await nextEvent(deadline ?? .now + timeouts.silence) {
      case .completed(let reply):
        guard !reply.isPositive, command.name == "UIDL" else { return }
        let isOffered = capabilities?.offers(.uniqueIDs) == true
        if isOffered || reply.refusal.isWorthRetrying { listing.refusal = reply }
        listing.hasUniqueIDs = false
        return
      case .began, .malformedLine: continue
      case .uniqueID(let line): listing.add(line)
      case .scanListing(let line): listing.add(line)
      case .ended(let end):
        guard end == .nextReply, command.name == "UIDL" else { return }
        guard listing.lines == session.messageCount else {
          throw fail(.broken(reason: "the end of a listing was lost, and lines with it"))
        }
        return
      default: throw astray()
      }
    }
  }

  /// The unique id of one message; nil where the server tells none.
  package func uniqueID(
    of number: POP3MessageNumber,
    deadline: Deadline? = nil
  ) async throws(POP3Error) -> POP3UniqueID? {
    let reply = try await perform(.uniqueID(number), deadline: deadline)
    guard let line = POP3UniqueIDListing(reply, limits: limits), line.number == number else {
      return nil
    }
    uniqueIDs[number] = line.uniqueID
    return line.uniqueID
  }

  /// The size of one message by the server's count; nil where it tells none.
  package func size(
    of number: POP3MessageNumber,
    deadline: Deadline? = nil
  ) async throws(POP3Error) -> Int? {
    let line = POP3ScanListing(try await perform(.list(number), deadline: deadline))
    return line?.number == number ? line?.octets : nil
  }
}

/// What UIDL and LIST brought.
private struct Listing {
  var hasUniqueIDs = true
  /// The answer to UIDL, where it may not be taken for a server that has none.
  var refusal: POP3Reply?
  private(set) var uniqueIDs: [POP3MessageNumber: POP3UniqueID] = [:]
  private var sizes: [POP3MessageNumber: Int] = [:]
  private var highest: UInt32 = 0
  private(set) var lines = 0

  /// Leniency `repeatedNumber`: of two lines with one number the first counts.
  mutating func add(_ line: POP3UniqueIDListing) {
    lines += 1
    highest = max(highest, line.number.rawValue)
    guard let uniqueID = line.uniqueID, uniqueIDs[line.number] == nil else { return }
    uniqueIDs[line.number] = uniqueID
  }

  mutating func add(_ line: POP3ScanListing) {
    highest = max(highest, line.number.rawValue)
    guard let octets = line.octets, sizes[line.number] == nil else { return }
    sizes[line.number] = octets
  }

  func list(count: Int?, limit: Int) -> POP3MessageList {
    let last = min(max(Int(highest), count ?? 0), limit)
    var seen: [POP3UniqueID: Int] = [:]
    var messages: [POP3ListedMessage] = []
    messages.reserveCapacity(last)
    for value in 0..<UInt32(last) {
      let number = POP3MessageNumber(value + 1)
      // Past the count only what was listed: numbers may have gaps after a DELE in this session.
      let isListed = uniqueIDs[number] != nil || sizes[number] != nil
      guard isListed || Int(value) < (count ?? 0) else { continue }
      let uniqueID = uniqueIDs[number]
      let ordinal = uniqueID.map { seen[$0, default: 0] + 1 } ?? 1
      if let uniqueID { seen[uniqueID] = ordinal }
      messages.append(
        POP3ListedMessage(
          number: number,
          uniqueID: uniqueID,
          ordinal: ordinal,
          octets: sizes[number]
        )
      )
    }
    return POP3MessageList(messages: messages, hasUniqueIDs: hasUniqueIDs)
  }
}
