import Foundation
import MailProtocols
import MailTransport
import Model
import Postgres
import Store
import TestSupport

@testable import Engine

/// One run of the property test.
struct PropertyRun {
  private let use: RandomMailUse
  private let own: OwnMailUse
  private let account: ID<Account>
  private let service: TestService
  private let dovecot: DovecotServer
  /// The way to the server that is cut at times; nil for an account that is online.
  private let way: TapProxy?
  private var mirror: FeedMirror
  private var ids = IDWatch()

  /// Fills the server, and adds its account while the clients go on.
  ///
  /// One that gets there by a `way` which can be cut is disconnected.
  init(
    _ use: RandomMailUse,
    _ seed: UInt64,
    _ dovecot: DovecotServer,
    _ service: TestService,
    by way: TapProxy? = nil
  ) async throws {
    for _ in 0..<40 { try await use.step() }
    self.way = way
    account = try await service.addAccount(
      TestService.imap(port: way?.port ?? dovecot.imapPort),
      mode: way == nil ? .online : .disconnected
    )
    (self.use, self.service, self.dovecot) = (use, service, dovecot)
    own = OwnMailUse(seed: seed, account: account, service: service)
    mirror = try await FeedMirror(of: account, in: service)
    for _ in 0..<10 {
      try await use.step()
      try await watch()
    }
    try await service.waitUntilReady(account)
    let account = account
    use.betweenHalves = {
      try await service.engine.syncNow(account)
      // Some time passes, or none: the sync may or may not see the copy beside its source.
      for _ in 0..<Int.random(in: 0...60, using: &use.random) {
        _ = try await service.number("select 1::bigint")
      }
    }
  }

  /// Performs so many operations of the clients, and what comes between.
  mutating func perform(_ operations: Int) async throws {
    for number in 1...operations {
      try await use.step()
      switch Int.random(in: 0..<100, using: &use.random) {
      case 0..<20: try await service.engine.syncNow(account)
      case 20..<30: use.note(try await own.step())
      case 30..<31:
        use.note("restart")
        try await service.restart()
      case 31..<32:
        use.note("kill")
        try await service.kill()
      case 32..<34: try await check("after \(number) operations")
      case 34..<37: try await outage("after \(number) operations")
      default: break
      }
      try await watch()
    }
    try await outage("at the end")
    try await check("at the end")
  }

  /// The server is away for long; what is done here in the meantime, and by the clients, is compared when it is back.
  private mutating func outage(_ place: String) async throws {
    guard let way else { return }
    way.goAway()
    let isStopped = Bool.random(using: &use.random)
    use.note(isStopped ? "outage, stopped" : "outage")
    if isStopped {
      use.close()
      await dovecot.stop()
    }
    for _ in 0..<Int.random(in: 5...40, using: &use.random) {
      if !isStopped, Bool.random(using: &use.random) { try await use.step() }
      if Int.random(in: 0..<20, using: &use.random) == 0 { try await service.kill() }
      let isOfMailbox = Int.random(in: 0..<6, using: &use.random) == 0
      use.note(try await isOfMailbox ? own.mailboxStep() : own.step())
      try await watch()
    }
    let shown = try await own.mailboxes()
    if isStopped { try await dovecot.start() }
    // What the clients do when it is back comes before what was done here, or beside it.
    for _ in 0..<Int.random(in: 0...15, using: &use.random) { try await use.step() }
    use.note("the server is back")
    way.comeBack()
    for _ in 0..<Int.random(in: 0...5, using: &use.random) { try await use.step() }
    try await check("\(place), after an outage")
    try await compareMailboxes(with: shown, place)
    try await settleConflicts()
    try await checkCopies()
  }

  /// The mailboxes that callers made are as they were `shown`, but for those that could not be.
  private func compareMailboxes(with shown: [ID<Mailbox>: Mailbox], _ place: String) async throws {
    let conflicts = try await service.mailboxOperations(of: account)
    let unsettled = Set(conflicts.map(\.mailbox))
    let now = try await own.mailboxes()
    let kept = unsettled.flatMap { [shown[$0]?.path, now[$0]?.path] }.compactMap(\.self)
    let wrong = Set(shown.keys).union(now.keys).subtracting(unsettled).filter { id in
      let (was, found) = (shown[id], now[id])
      guard was?.path != found?.path else { return false }
      // What is below one of those goes with it.
      let paths = [was?.path, found?.path].compactMap(\.self)
      guard !kept.contains(where: { top in paths.contains { $0.hasPrefix("\(top)/") } }) else {
        return false
      }
      // What is above one that stays is there as a name, whoever deleted it; and a mere name goes with the last one below it.
      guard was == nil || found == nil, let path = paths.first else { return true }
      let isName = was.map { !$0.isSelectable } ?? true
      return !(isName && kept.contains { $0.hasPrefix("\(path)/") })
    }
    guard wrong.isEmpty else {
      let story = try await Story(service: service, account: account)
        .mailboxes(wrong.map(\.rawValue).sorted())
      let list = wrong.map {
        "\($0.rawValue): \(shown[$0]?.path ?? "-") became \(now[$0]?.path ?? "-")"
      }
      throw TestSupportError.failed("\(place): mailboxes \(list)\n\(story.joined(separator: "\n"))")
    }
  }

  /// Has the deletions of what changed meanwhile tried again, or discarded.
  private func settleConflicts() async throws {
    for operation in try await service.mailboxOperations(of: account)
    where operation.state == "conflict" {
      let isRetried = operation.kind == .delete && Bool.random(using: &use.random)
      use.note("\(isRetried ? "retry" : "discard") of mailbox \(operation.mailbox.rawValue)")
      if isRetried {
        try await own.noteDestroyed(in: operation.mailbox)
        try await service.engine.retryOperation(operation.id, of: account)
      } else {
        try await service.engine.discardOperation(operation.id, of: account)
      }
    }
    for operation in try await service.operations(of: account) where operation.state == "conflict" {
      let isRetried = Bool.random(using: &use.random)
      use.note("\(isRetried ? "retry" : "discard") of \(operation.message.rawValue)")
      if isRetried {
        let rows = try await service.query(
          """
          select subject from message where account_id = \(account.rawValue)
            and id = \(operation.message.rawValue)
          """
        )
        if !rows.isEmpty { own.note(destroyed: try rows.string(0, 0)) }
        try await service.engine.retryOperation(operation.id, of: account)
      } else {
        try await service.engine.discardOperation(operation.id, of: account)
      }
    }
  }

  /// Every message is here whole, and is the one that its subject says.
  private func checkCopies() async throws {
    do {
      try await eventually("all is copied") {
        try await service.engine.syncNow(account)
        return try await service.store.copyProgress(of: account).isWhole
      }
    } catch {
      throw TestSupportError.failed("\(error): \(try await uncopied().joined(separator: "; "))")
    }
    let rows = try await service.query(
      "select id, subject from message where account_id = \(account.rawValue)"
    )
    for row in 0..<rows.count {
      let id = ID<Message>(try rows.int64(row, 0))
      let line = Array("\r\nSubject: \(try rows.string(row, 1))\r\n".utf8)
      do {
        let raw = try await service.engine.openRaw(id, of: account).collect(upTo: 1 << 20).bytes
        guard raw.count > line.count, Data(raw).range(of: Data(line)) == nil else { continue }
        throw TestSupportError.failed("message \(id.rawValue) has the bytes of another one")
      } catch let error as ServiceError where error.code == .notFound {
        continue  // A retried deletion came in between.
      }
    }
  }

  /// The messages that are not here whole, for the words of a failure.
  private func uncopied() async throws -> [String] {
    let rows = try await service.query(
      """
      select m.id || ' ' || m.subject || ' ' || coalesce((select string_agg(b.path || ' '
          || b.is_selectable || ' uid ' || coalesce(p.uid, 0) || ' origin ' || p.origin, ', ')
        from placement p join mailbox b on b.account_id = p.account_id and b.id = p.mailbox_id
        where p.account_id = m.account_id and p.message_id = m.id), 'nowhere') || ' '
        || coalesce((select string_agg(o.kind || ' ' || o.state, ', ') from operation o
          where o.account_id = m.account_id and o.message_id = m.id), '')
      from message m where m.account_id = \(account.rawValue) and m.blob_id is null
      """
    )
    let health = try await service.health(of: account).map { "\($0)" }
    return try (0..<rows.count).map { try rows.string($0, 0) } + health
  }

  private mutating func watch() async throws {
    let wrong = try await ids.look(account, service, except: own.destroyed)
    guard wrong.isEmpty else {
      throw TestSupportError.failed("other ids: \(wrong.joined(separator: "\n"))")
    }
  }

  /// Waits for the quiet point, and compares.
  private mutating func check(_ place: String) async throws {
    use.note("quiet point")
    let client = try await service.otherClient(dovecot, "alice")
    defer { client.close() }
    var (truth, found): ([String], [String: Int64]) = ([], [:])
    do {
      try await eventually("no intent is on its way") {
        try await service.number(
          "select count(*) from operation where state in ('pending', 'running')"
        ) == 0
      }
      truth = try await serverState(client)
      try await eventually("the server's state") {
        try await service.engine.syncNow(account)
        found = try await ownState()
        return found.keys.sorted() == truth
      }
    } catch {
      let missing = Set(truth).subtracting(found.keys).sorted()
      let wrong = Set(found.keys).subtracting(truth).sorted()
      let waiting = try await placementsWithoutUID()
      let story = try await Story(service: service, account: account)
        .messages(wrong.compactMap { found[$0] })
      throw TestSupportError.failed(
        """
        \(place): \(error); missing \(missing), wrong \(wrong), without UID \(waiting)
        \(story.joined(separator: "\n"))
        \(try dovecot.log().split(separator: "\n").suffix(20).joined(separator: "\n"))
        """
      )
    }
    let health = try await service.health(of: account)
    guard health.isEmpty else { throw TestSupportError.failed("\(place): \(health)") }
    try await compareFeed(place)
    try await watch()
    own.forgetDestroyed()
    let mailboxes = try await service.store.mailboxes(of: account).mailboxes
    let wrong = try await ids.look(
      at: mailboxes,
      use.mailboxes,
      except: use.unknowable,
      Story(service: service, account: account)
    )
    guard wrong.isEmpty else {
      throw TestSupportError.failed("\(place): other ids: \(wrong.joined(separator: "\n"))")
    }
    use.forgetMailboxes()
  }

  private mutating func compareFeed(_ place: String) async throws {
    try await mirror.follow(account, in: service)
    let listed = try await FeedMirror.list(of: account, in: service)
    var fromStart = try await FeedMirror(fromStartOf: account, in: service)
    try await fromStart.follow(account, in: service, limit: 500)
    for (name, known) in [("since the start", fromStart.messages), ("so far", mirror.messages)] {
      guard known == listed else {
        let differing = Set(known.keys).union(listed.keys).filter { known[$0] != listed[$0] }
        var story: [String] = []
        for id in differing.sorted().prefix(3) {
          let told = try await FeedMirror.told(of: id, "message", of: account, in: service)
          let (was, shown) = (known[id] ?? "-", listed[id] ?? "-")
          story.append("\(id): known \(was), listed \(shown), told \(told)")
        }
        throw TestSupportError.failed(
          "\(place): the feed \(name) differs:\n\(story.joined(separator: "\n"))"
        )
      }
    }
    let threads = try await FeedMirror.threads(of: account, in: service)
    for (name, known) in [("since the start", fromStart.threads), ("so far", mirror.threads)] {
      guard known == threads else {
        let differing = known.symmetricDifference(threads).sorted()
        var told = try await FeedMirror.told(of: differing[0], "thread", of: account, in: service)
        let rows = try await service.query(
          "select id from message where account_id = \(account.rawValue) and thread_id = \(differing[0])"
        )
        for row in 0..<rows.count {
          let id = try rows.int64(row, 0)
          let message = try await FeedMirror.told(of: id, "message", of: account, in: service)
          told += "; message \(id): \(message)"
        }
        throw TestSupportError.failed(
          "\(place): the threads of the feed \(name) differ at \(differing), first told \(told)"
        )
      }
    }
  }

  /// Every mailbox, and every message: path, UIDVALIDITY, UID, keywords, `D` for `\Deleted`.
  private func serverState(_ client: IMAPClient) async throws -> [String] {
    var state: [String] = []
    for mailbox in try await client.list().filter(\.isSelectable) {
      let selected: SelectedMailbox
      do throws(IMAPError) {
        selected = try await client.examine(mailbox.name)
      } catch {
        // But a name, with others below it, which Dovecot does not say in a list.
        guard error.response?.contains("doesn't exist") == true else { throw error }
        continue
      }
      state.append("mailbox \(mailbox.name.decoded)")
      let validity = selected.uidValidity?.value ?? 0
      for (uid, flags) in try await client.fetchFlags(.all) {
        state.append(
          line(
            mailbox.name.decoded,
            Int64(validity),
            Int64(uid.value),
            KeywordMap.keywords(of: flags),
            flags.contains(.deleted)
          )
        )
      }
    }
    return state.sorted()
  }

  /// The same of what is stored, and which message each is.
  ///
  /// Without what is kept here alone since the server lost the mailbox that it was on its way to: its intent says so.
  private func ownState() async throws -> [String: Int64] {
    let rows = try await service.query(
      """
      select b.path, coalesce(b.uid_validity, 0), coalesce(p.uid, 0), p.keywords, p.is_deleted,
        p.message_id, p.mailbox_id, p.uid is null and exists (select 1 from operation o
          where o.account_id = p.account_id and o.message_id = p.message_id
            and o.mailbox_id = p.mailbox_id and o.kind = 'append' and o.state = 'refused')
      from placement p join mailbox b on b.account_id = p.account_id and b.id = p.mailbox_id
      where p.account_id = \(account.rawValue)
      """
    )
    let kept = try (0..<rows.count).filter { try rows.bool($0, 7) }
    let keeping = Set(try kept.map { try rows.int64($0, 6) })
    var state: [String: Int64] = [:]
    for mailbox in try await service.store.mailboxes(of: account).mailboxes
    where mailbox.isSelectable && !(mailbox.isLocal && keeping.contains(mailbox.id.rawValue)) {
      state["mailbox \(mailbox.path)"] = 0
    }
    for row in 0..<rows.count where !kept.contains(row) {
      let text = line(
        try rows.string(row, 0),
        try rows.int64(row, 1),
        try rows.int64(row, 2),
        try rows.stringArray(row, 3),
        try rows.bool(row, 4)
      )
      state[text] = try rows.int64(row, 5)
    }
    return state
  }

  /// What is stored without a UID, for the words of a failure.
  private func placementsWithoutUID() async throws -> [String] {
    let rows = try await service.query(
      """
      select b.path || ' ' || m.id || ' ' || m.subject || ' origin ' || p.origin || ' '
        || coalesce((select string_agg(o.kind || ' ' || o.state, ' ') from operation o
          where o.account_id = p.account_id and o.message_id = p.message_id), '')
      from placement p
      join mailbox b on b.account_id = p.account_id and b.id = p.mailbox_id
      join message m on m.account_id = p.account_id and m.id = p.message_id
      where p.account_id = \(account.rawValue) and p.uid is null
      """
    )
    return try (0..<rows.count).map { try rows.string($0, 0) }
  }

  private func line(
    _ path: String,
    _ validity: Int64,
    _ uid: Int64,
    _ keywords: [String],
    _ isDeleted: Bool
  ) -> String {
    "\(path)/\(validity)/\(uid) \(keywords.joined(separator: " "))\(isDeleted ? " D" : "")"
  }
}
