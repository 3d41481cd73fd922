import Bytes
import MIME
import Model
import Store

/// What rules need of the engine: messages to read, mailboxes to make, and workers to wake.
struct RuleHands: Sendable {
  /// The engine owns the task that holds this.
  private weak let engine: Engine?

  init(_ engine: Engine) { self.engine = engine }

  private func present() throws -> Engine {
    guard let engine else { throw CancellationError() }
    return engine
  }

  /// Reads a message, or its header alone, as far as it may be long; and whether it is longer.
  func read(
    _ message: ID<Message>,
    _ section: RuleMessageReader.RuleSection,
    of account: ID<Account>
  ) async throws -> (bytes: [UInt8], isTruncated: Bool) {
    let engine = try present()
    let limit =
      section == .header ? MIMELimits().headerBytes : engine.services.configuration.messageBytes
    let source =
      section == .header
      ? try await engine.openHeader(message, of: account)
      : try await engine.openRaw(message, of: account)
    return try await source.collect(upTo: limit)
  }

  /// A raw message, parsed and compressed, to be kept in `mailbox`.
  func delivery(
    of raw: [UInt8],
    into mailbox: ID<Mailbox>,
    keywords: [String] = []
  ) async throws -> Delivery {
    let services = try present().services
    return try await services.delivery(
      of: raw,
      into: mailbox,
      keywords: keywords,
      receivedAt: services.now()
    )
  }

  /// The mailbox of a path, made where it is missing, with those above it.
  func makeMailbox(_ path: String, of account: ID<Account>) async throws -> ID<Mailbox> {
    let engine = try present()
    let all = try await engine.store.mailboxes(of: account).mailboxes
    if let known = all.first(where: { $0.path == path }) { return known.id }
    let delimiter = all.lazy.compactMap(\.delimiter).first
    guard let delimiter, let end = path.ranges(of: delimiter).last, end.lowerBound > path.startIndex
    else { return try await make(path, nil, path, account, engine) }
    let parent = try await makeMailbox(String(path[..<end.lowerBound]), of: account)
    return try await make(String(path[end.upperBound...]), parent, path, account, engine)
  }

  private func make(
    _ name: String,
    _ parent: ID<Mailbox>?,
    _ path: String,
    _ account: ID<Account>,
    _ engine: Engine
  ) async throws -> ID<Mailbox> {
    do throws(ServiceError) {
      return try await engine.createMailbox(account, name: name, parent: parent).id
    } catch {
      // Somebody else made it meanwhile.
      let all = try await engine.store.mailboxes(of: account).mailboxes
      guard error.code == .conflict, let known = all.first(where: { $0.path == path }) else {
        throw error
      }
      return known.id
    }
  }

  /// Has what rules changed and sent reach its servers.
  func wake(_ account: ID<Account>, hasSent: Bool) {
    engine?.wake(account, .operations)
    if hasSent { engine?.wakeSubmissions() }
  }
}
