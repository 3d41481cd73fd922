import Bytes
import Crypto
import Model
import Postgres
import Store
import TestSupport
import Testing

/// A store on a fresh database, with one account and three mailboxes, and no server behind it.
struct StoreFixture {
  let pool: PostgresPool
  let store: Store
  let account: ID<Account>
  let inbox: Mailbox
  let archive: Mailbox
  let trash: Mailbox

  /// Makes the database, runs `body`, and checks after it what holds after whatever was done.
  ///
  /// With `isLocal` no server is meant to stand behind the account.
  static func with(
    isLocal: Bool = false,
    _ body: (StoreFixture) async throws -> Void
  ) async throws {
    try await PrivatePostgres.shared.withDatabase { pool in
      _ = try await Migrator().run(Migrations.all, on: pool)
      let store = Store(pool: pool, sealer: Sealer(keys: [try SecretKey.generate()]))
      let listings = [
        listing("INBOX", role: "inbox"), listing("Archive", role: "archive"),
        listing("Trash", role: "trash"),
      ]
      let account =
        isLocal ? try await newLocalAccount(store, listings) : try await newAccount(store)
      let boxes =
        isLocal
        ? try await store.mailboxes(of: account).mailboxes
        : try await store.storeListing(listings, of: account)
      var begun: [String: Mailbox] = [:]
      for box in boxes {
        begun[box.path] = isLocal ? box : try await store.beginSync(of: box, uidValidity: 7)
      }
      let fixture = StoreFixture(
        pool: pool,
        store: store,
        account: account,
        inbox: try #require(begun["INBOX"]),
        archive: try #require(begun["Archive"]),
        trash: try #require(begun["Trash"])
      )
      try await body(fixture)
      #expect(try await fixture.wrongCounters() == [])
      #expect(try await fixture.keptBytesAreRight())
      #expect(try await fixture.feedIsWhole())
    }
  }

  static func newAccount(
    _ store: Store,
    secret: Secret? = Secret("secret"),
    outgoingSecret: Secret? = nil
  ) async throws -> ID<Account> {
    let settings = BackendSettings(
      kind: .imap,
      host: "imap.test.invalid",
      port: 993,
      security: .implicit,
      authType: .password,
      username: "alice"
    )
    return try await store.insertAccount(
      name: "Alice",
      email: "alice@test.invalid",
      mode: .online,
      incoming: settings,
      incomingSecret: secret,
      outgoing: nil,
      outgoingSecret: outgoingSecret,
      identities: []
    ).id
  }

  static func newLocalAccount(
    _ store: Store,
    _ mailboxes: [MailboxListing]
  ) async throws -> ID<Account> {
    try await store.insertAccount(
      name: "Alice",
      email: "alice@test.invalid",
      mode: .online,
      incoming: .local,
      incomingSecret: nil,
      outgoing: nil,
      outgoingSecret: nil,
      identities: [],
      localMailboxes: mailboxes.map { listing in
        var listing = listing
        listing.isLocal = true
        return listing
      },
      isReady: true
    ).id
  }

  static func listing(_ name: String, role: String? = nil) -> MailboxListing {
    MailboxListing(
      encodedName: name,
      path: name,
      name: name,
      parentEncodedName: nil,
      delimiter: "/",
      role: role,
      isSubscribed: true,
      isSelectable: true
    )
  }

  /// A message as a fetch gives it.
  static func mail(
    _ uid: Int64?,
    _ keywords: [String] = [],
    identity: String? = nil,
    subject: String? = nil,
    from: String? = nil,
    size: Int64 = 1000,
    receivedAt: Int64 = 1_700_000_000,
    isDeleted: Bool = false
  ) -> NewMessage {
    let name = identity ?? "message \(uid ?? 0)"
    var message = NewMessage(
      uid: uid,
      keywords: keywords,
      isDeleted: isDeleted,
      receivedAt: Timestamp(seconds: receivedAt),
      size: size,
      identity: [UInt8](name.utf8),
      threadID: uid ?? 1,
      sentAt: nil,
      hasAttachment: false
    )
    message.columns.text(.subject, subject)
    message.columns.text(.fromText, from)
    message.messageID = "\(name)@test.invalid"
    message.columns.text(.messageID, "\(name)@test.invalid")
    return message
  }

  /// Stores messages in the inbox, or elsewhere.
  func merge(
    _ messages: [NewMessage],
    into mailbox: Mailbox? = nil,
    _ progress: MailboxProgress = MailboxProgress()
  ) async throws {
    try await store.merge(messages, into: mailbox ?? inbox, progress: progress)
  }

  /// Keeps a raw message, as an import does.
  func keep(
    _ message: NewMessage,
    raw: [UInt8],
    into mailbox: ID<Mailbox>
  ) async throws -> ID<Message> {
    let delivery = Delivery(
      message,
      try RawBlob(raw, leaves: message.leafRanges, by: Compressors()),
      into: mailbox
    )
    return try #require(try await store.deliver([delivery], to: account).first).get()
  }

  /// Ends a pass: what vanished before it is destroyed.
  func removeHeld() async throws {
    try await store.removeHeld(try await store.heldPlacements(of: account), of: account)
  }

  /// The messages of a mailbox by UID; those without one under 0.
  func ids(in mailbox: Mailbox? = nil) async throws -> [Int64: ID<Message>] {
    var ids: [Int64: ID<Message>] = [:]
    let box = (mailbox ?? inbox).id.rawValue
    let rows = try await pool.query(
      "select coalesce(uid, 0), message_id from placement where mailbox_id = \(box)"
    )
    for row in 0..<rows.count { ids[try rows.int64(row, 0)] = ID(try rows.int64(row, 1)) }
    return ids
  }

  /// Total and unread, as the mailbox's row has them.
  func counters(_ mailbox: Mailbox? = nil) async throws -> [Int64] {
    let box = try await store.mailbox((mailbox ?? inbox).id, of: account)
    return [box?.totalMessages ?? -1, box?.unreadMessages ?? -1]
  }

  func keywords(of id: ID<Message>) async throws -> [String] {
    let page = try await store.message(id, of: account)
    return page.count == 1 ? try page.row(0).keywordList : []
  }

  func mailboxes(of id: ID<Message>) async throws -> [ID<Mailbox>] {
    let page = try await store.message(id, of: account)
    return page.count == 1 ? try page.row(0).mailboxes().sorted() : []
  }

  func seq() async throws -> Int64 { try await store.feedState(of: account).seq }

  private func wrongCounters() async throws -> [String] {
    let rows = try await pool.query(
      """
      select b.path from mailbox b left join placement p on p.account_id = b.account_id
        and p.mailbox_id = b.id and not p.is_deleted
      group by b.account_id, b.id
      having b.total_messages <> count(p.message_id)
        or b.unread_messages <> count(p.message_id) filter (where not p.is_seen)
      """
    )
    return try (0..<rows.count).map { try rows.string($0, 0) }
  }

  /// Whether each account's count of what it keeps is what a sum gives.
  private func keptBytesAreRight() async throws -> Bool {
    try await pool.query(
      """
      select coalesce(bool_and(a.kept_bytes = coalesce((
          select sum(b.size) from message m join blob b
            on b.account_id = m.account_id and b.id = m.blob_id
          where m.account_id = a.id), 0)), true)
      from account a
      """
    ).bool(0, 0)
  }

  /// Whether each account's feed runs from 1 to its `seq` without a gap.
  private func feedIsWhole() async throws -> Bool {
    try await pool.query(
      """
      select coalesce(bool_and(n = seq and last = seq), true) from (
        select a.seq, count(c.seq) as n, coalesce(max(c.seq), 0) as last
        from account a left join change c on c.account_id = a.id group by a.id) as feed
      """
    ).bool(0, 0)
  }
}

/// The code of the error that `body` throws; nil where it throws none.
func errorCode(_ body: () async throws -> Void) async -> ErrorCode? {
  do {
    try await body()
    return nil
  } catch {
    return (error as? ServiceError)?.code ?? .internalError
  }
}
