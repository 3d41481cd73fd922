import Bytes
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
    case append, flag, keyword, delete, expunge, copy, move, create, rename, remove, renumber
  }

  private static let weights: [(Operation, Int)] = [
    (.append, 26), (.flag, 20), (.keyword, 8), (.delete, 8), (.expunge, 8), (.copy, 8), (.move, 12),
    (.create, 4), (.rename, 3), (.remove, 2), (.renumber, 1),
  ]
  private static let flags: [Flag] = [.seen, .flagged, .answered]
  private static let keywords = ["work", "$Forwarded", "Later"]

  var random: SeededRandom
  /// What was done, for the words of a failure.
  private(set) var log: [String] = []
  /// Subjects of messages that a sync may have seen in two places since `forgetCopies`: copies, and moves
  /// of servers without MOVE, which are copies for a moment.
  private(set) var copied: Set<String> = []
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
    do {
      try await perform(pick(), clients[place], place)
    } catch let error as IMAPError {
      note("\(place): refused or broken: \(error)")
      if error.hasBrokenConnection { clients[place].close() }
    }
  }

  func forgetCopies() { copied = [] }

  func close() {
    for client in clients { client.close() }
    clients = []
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
    let others = mailboxes.filter { $0 != .inbox && $0.decoded.hasPrefix("box") }
    let text = "\(place): \(operation) \(mailbox.decoded)"
    switch operation {
    case .append:
      note(text)
      _ = try await client.append(message(), to: mailbox, flags: someFlags())
    case .flag, .keyword, .delete:
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
    case .expunge:
      note(text)
      try await client.select(mailbox)
      let deleted = try await client.search(.flag(.deleted))
      _ = try await client.expungeUnlessOthersDeleted(deleted)
    case .copy, .move:
      guard let uids = try await someMessages(client, mailbox), other != mailbox else { return }
      note("\(text) \(uids) to \(other.decoded)")
      if operation == .copy || !client.capabilities.contains(.move) {
        copied.formUnion(try await subjects(client, uids))
      }
      if operation == .copy {
        _ = try await client.copy(uids, to: other)
      } else {
        _ = try await client.move(uids, to: other)
      }
    case .create:
      note("\(place): create box\(count)")
      try await client.create(MailboxName("box\(count)"))
    case .rename:
      guard let old = others.randomElement(using: &random) else { return }
      note("\(place): rename \(old.decoded) to box\(count)")
      try await client.rename(old, to: MailboxName("box\(count)"))
    case .remove:
      guard others.count > 2, let old = others.randomElement(using: &random) else { return }
      note("\(place): remove \(old.decoded)")
      try await client.delete(old)
    case .renumber:
      note(text)
      close()
      try await dovecot.doveadm([
        "mailbox", "update", "--uid-validity", "\(2_000_000_000 + count)", "-u",
        dovecot.address(of: user), mailbox.decoded,
      ])
    }
  }

  private func someMessages(_ client: IMAPClient, _ mailbox: MailboxName) async throws -> UIDSet? {
    try await client.select(mailbox)
    let all = Array(try await client.search(.all).uids)
    guard !all.isEmpty else { return nil }
    let wanted = Int.random(in: 1...3, using: &random)
    return UIDSet((0..<wanted).compactMap { _ in all.randomElement(using: &random) })
  }

  private func subjects(_ client: IMAPClient, _ uids: UIDSet) async throws -> [String] {
    var subjects: [String] = []
    let fetch = client.fetch(uids, .identity)
    while let batch = try await fetch.next() {
      subjects += batch.compactMap {
        $0.envelope?.subject.map { String(decoding: $0, as: UTF8.self) }
      }
    }
    return subjects
  }

  private func message() -> [UInt8] {
    Array(
      """
      From: <a@test.invalid>\r
      To: <b@test.invalid>\r
      Subject: message \(count)\r
      Message-ID: <\(count).\(random.next())@test.invalid>\r
      Date: Wed, 25 Nov 2026 10:00:00 +0000\r
      \r
      The text of message \(count).\r

      """.utf8
    )
  }

  private func someFlags() -> [Flag] {
    Self.flags.filter { _ in Int.random(in: 0..<4, using: &random) == 0 }
  }

  private func note(_ text: String) { log.append(text) }
}
