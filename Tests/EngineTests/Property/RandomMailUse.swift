import Bytes
import Foundation
import MailProtocols
import MailTransport
import TestSupport

/// Random numbers from a seed, the same on every machine (SplitMix64).
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }
}

/// What two other clients do to one user's mail, drawn from a seed.
///
/// Each step is one operation on a mailbox that exists at that moment. What the server refuses (a
/// mailbox that the other client has just deleted) is no failure: the next step goes on.
final class RandomMailUse {
  private enum Operation {
    case append, flag, keyword, delete, expunge, copy, slowMove, move, create, rename, remove
    case renumber
  }

  private static let weights: [(Operation, Int)] = [
    (.append, 24), (.flag, 18), (.keyword, 7), (.delete, 8), (.expunge, 8), (.copy, 7),
    (.slowMove, 6), (.move, 12), (.create, 4), (.rename, 3), (.remove, 2), (.renumber, 1),
  ]
  private static let flags: [Flag] = [.seen, .flagged, .answered]
  private static let keywords = ["work", "$Forwarded", "Later"]
  /// Few, so that a name is soon that of another mailbox.
  private static let names = (0..<9).map { "box\($0)" }

  var random: SeededRandom
  /// What was done, for the words of a failure.
  private(set) var log: [String] = []
  /// The mailboxes that the clients made, by their paths: a number each, which no rename changes.
  private(set) var mailboxes: [String: Int] = [:]
  /// Those that got another UIDVALIDITY and another name since `forgetMailboxes`: nothing tells who they are.
  var unknowable: Set<Int> { renumbered.intersection(renamed) }
  private var renumbered: Set<Int> = []
  private var renamed: Set<Int> = []
  /// What is done between the two halves of a move without MOVE.
  var betweenHalves: () async throws -> Void = {}
  private let dovecot: DovecotServer
  private let user: String
  private let connect: () async throws -> IMAPClient
  private var clients: [IMAPClient] = []
  private var count = 0

  init(
    seed: UInt64,
    dovecot: DovecotServer,
    user: String,
    connect: @escaping () async throws -> IMAPClient
  ) {
    random = SeededRandom(seed: seed)
    self.dovecot = dovecot
    self.user = user
    self.connect = connect
  }

  /// One operation of one of the clients.
  func step() async throws {
    count += 1
    while clients.count < 2 { clients.append(try await connect()) }
    let place = Int.random(in: 0...1, using: &random)
    if !clients[place].isUsable { clients[place] = try await connect() }
    let start = ContinuousClock.now
    do {
      try await perform(pick(), clients[place], place)
    } catch let error as IMAPError {
      note("\(place): refused or broken: \(error)")
      if error.hasBrokenConnection { clients[place].close() }
    } catch let error as TestSupportError {
      note("\(place): doveadm refused: \(error)")
    }
    let took = ContinuousClock.now - start
    // Where a run stalls, this says on whose side.
    if took > .seconds(5) { note("\(place): the server took \(took)") }
  }

  func forgetMailboxes() { (renumbered, renamed) = ([], []) }

  func close() {
    for client in clients { client.close() }
    clients = []
  }

  /// Ends the use for good.
  func finish() {
    close()
    betweenHalves = {}
  }

  func note(_ text: String) {
    let second = Date.now.timeIntervalSince1970.truncatingRemainder(dividingBy: 10_000)
    log.append(
      "\(count). \(second.formatted(.number.precision(.fractionLength(3)).grouping(.never))) \(text)"
    )
  }

  private func pick() -> Operation {
    var roll = Int.random(in: 0..<100, using: &random)
    for (operation, weight) in Self.weights {
      roll -= weight
      if roll < 0 { return operation }
    }
    return .append
  }

  private func perform(_ operation: Operation, _ client: IMAPClient, _ place: Int) async throws {
    let mailboxes = try await client.list().filter(\.isSelectable).map(\.name)
      .sorted { $0.decoded < $1.decoded }
    guard let mailbox = mailboxes.randomElement(using: &random),
      let other = mailboxes.randomElement(using: &random)
    else { return }
    let text = "\(place): \(operation) \(mailbox.decoded)"
    switch operation {
    case .append:
      note(text)
      _ = try await client.append(message(), to: mailbox, flags: someFlags())
    case .flag, .keyword, .delete:
      try await changeFlags(operation, client, mailbox, text)
    case .expunge:
      note(text)
      try await client.select(mailbox)
      let deleted = try await client.search(.flag(.deleted))
      _ = try await client.expungeUnlessOthersDeleted(deleted)
    case .copy, .slowMove, .move:
      guard let uids = try await someMessages(client, mailbox), other != mailbox else { return }
      note("\(text) \(uids) to \(other.decoded)")
      try await transfer(operation, client, uids, to: other)
    case .create, .rename, .remove:
      try await changeMailboxes(operation, client, mailboxes, place)
    case .renumber:
      note(text)
      close()
      try await dovecot.doveadm([
        "mailbox", "update", "--uid-validity", "\(2_000_000_000 + count)", "-u",
        dovecot.address(of: user), mailbox.decoded,
      ])
      if let number = self.mailboxes[mailbox.decoded] { renumbered.insert(number) }
    }
  }

  private func changeFlags(
    _ operation: Operation,
    _ client: IMAPClient,
    _ mailbox: MailboxName,
    _ text: String
  ) async throws {
    guard let uids = try await someMessages(client, mailbox) else { return }
    let flag: Flag =
      switch operation {
      case .flag: Self.flags.randomElement(using: &random) ?? .seen
      case .keyword: Flag(Self.keywords.randomElement(using: &random) ?? "work") ?? .flagged
      default: .deleted
      }
    let change: StoreChange = Bool.random(using: &random) ? .add : .remove
    note("\(text) \(uids) \(change) \(flag)")
    try await client.store(uids, change, [flag])
  }

  private func transfer(
    _ operation: Operation,
    _ client: IMAPClient,
    _ uids: UIDSet,
    to other: MailboxName
  ) async throws {
    switch operation {
    case .copy: _ = try await client.copy(uids, to: other)
    case .move: _ = try await client.move(uids, to: other)
    default:
      _ = try await client.copy(uids, to: other)
      if Bool.random(using: &random) { try await betweenHalves() }
      try await client.store(uids, .add, [.deleted])
      if Bool.random(using: &random) { try await betweenHalves() }
      _ = try await client.expungeUnlessOthersDeleted(uids)
    }
  }

  private func changeMailboxes(
    _ operation: Operation,
    _ client: IMAPClient,
    _ all: [MailboxName],
    _ place: Int
  ) async throws {
    let own = all.filter { $0.decoded.hasPrefix("box") }
    let name = Self.names.filter { name in !own.contains { $0.decoded == name } }
      .randomElement(using: &random)
    let old = own.randomElement(using: &random)
    switch operation {
    case .create:
      guard let name else { return }
      note("\(place): create \(name)")
      try await client.create(MailboxName(name))
      mailboxes[name] = count
    case .rename:
      guard let name, let old else { return }
      note("\(place): rename \(old.decoded) to \(name)")
      try await client.rename(old, to: MailboxName(name))
      mailboxes[name] = mailboxes.removeValue(forKey: old.decoded)
      if let number = mailboxes[name] { renamed.insert(number) }
    default:
      guard let old, own.count > 2 else { return }
      note("\(place): remove \(old.decoded)")
      try await client.delete(old)
      mailboxes[old.decoded] = nil
    }
  }

  private func someMessages(_ client: IMAPClient, _ mailbox: MailboxName) async throws -> UIDSet? {
    try await client.select(mailbox)
    let all = Array(try await client.search(.all).uids)
    guard !all.isEmpty else { return nil }
    let wanted = Int.random(in: 1...3, using: &random)
    return UIDSet((0..<wanted).compactMap { _ in all.randomElement(using: &random) })
  }

  private func message() -> [UInt8] {
    // Some have no Message-ID.
    let messageID =
      Int.random(in: 0..<5, using: &random) == 0
      ? "" : "Message-ID: <\(count).\(random.next())@test.invalid>\r\n"
    return Array(
      """
      From: <a@test.invalid>\r
      To: <b@test.invalid>\r
      Subject: message \(count)\r
      \(messageID)\
      Date: Wed, 25 Nov 2026 10:00:00 +0000\r
      \r
      The text of message \(count).\r

      """.utf8
    )
  }

  private func someFlags() -> [Flag] {
    Self.flags.filter { _ in Int.random(in: 0..<4, using: &random) == 0 }
  }
}
