import Engine
import MailProtocols
import MailTransport
import Model
import Net
import Postgres
import Store
import TestSupport

extension TestService {
  /// Adds an account of an IMAP server that has all of its mail here, and waits until it has.
  func addCopiedAccount(
    _ settings: BackendSettings,
    mode: AccountMode = .disconnected
  ) async throws -> ID<Account> {
    let account = try await addAccount(settings, mode: mode)
    try await waitUntilReady(account)
    try await waitUntilCopied(account)
    return account
  }

  /// Waits until every message is kept here whole, and known to searches.
  func waitUntilCopied(_ account: ID<Account>) async throws {
    try await eventually("all is copied") { try await store.copyProgress(of: account).isWhole }
    try await eventually("all is read for searches") {
      try await number("select count(*) from blob where body is null") == 0
    }
  }

  /// Waits until the account's state is `state`.
  func waitUntil(_ state: AccountState, _ account: ID<Account>) async throws {
    try await eventually("the account is \(state)") {
      try await store.account(account)?.state == state
    }
  }

  /// What every message of a mailbox is when it is read in every way, newest first: raw, header, texts and parts.
  func readings(in path: String = "INBOX", of account: ID<Account>) async throws -> [Reading] {
    var all: [Reading] = []
    for row in try await messages(in: path, of: account) {
      let raw = try await engine.openRaw(row.id, of: account)
      let header = try await engine.header(row.id, of: account)
      var reading = Reading(raw: try await raw.collect(upTo: 64 << 20).bytes)
      reading.length = raw.length
      reading.header = header.map { "\($0.name):\($0.value)" }
      reading.texts = try await engine.bodyValues(row.id, of: account, limit: 1 << 20)
        .map { "\($0.partID) \($0.value)" }
      for number in 1...3 {
        do {
          let part = try await engine.openPart(row.id, of: account, partID: "\(number)")
          reading.parts.append(try await part.collect(upTo: 64 << 20).bytes)
        } catch let error as ServiceError where error.code == .notFound {
          break
        }
      }
      all.append(reading)
    }
    return all
  }

  /// The subjects that a search finds, and whether something could not be searched.
  func find(_ text: String, _ account: ID<Account>) async throws -> (
    subjects: [String], isPartial: Bool
  ) {
    var query = MessageQuery()
    query.search = try SearchParser.parse(text)
    let findings = try await engine.find(query, of: account)
    let page = try await store.messages(of: account, query, findings, after: nil, limit: 50)
    return ((0..<page.count).map { page.row($0).subjectText ?? "" }, !findings.gaps.isEmpty)
  }

  /// The id of the one message with this subject.
  func message(_ subject: String, in path: String = "INBOX", of account: ID<Account>) async throws
    -> ID<Message>
  {
    let rows = try await messages(in: path, of: account).filter { $0.subjectText == subject }
    guard rows.count == 1 else {
      throw TestSupportError.failed("\(rows.count) messages \(subject) in \(path)")
    }
    return rows[0].id
  }

  /// The intents of messages, as the API lists them.
  func operations(of account: ID<Account>) async throws -> [OperationRecord] {
    try await store.operations(of: account, limit: 100).compactMap(\.message)
  }

  /// The intents of mailboxes, as the API lists them.
  func mailboxOperations(of account: ID<Account>) async throws -> [MailboxOperation] {
    try await store.operations(of: account, limit: 100).compactMap(\.mailbox)
  }
}

/// A message as a caller reads it.
struct Reading: Equatable {
  var raw: [UInt8]
  var length: Int?
  var header: [String] = []
  var texts: [String] = []
  var parts: [[UInt8]] = []
}

/// The UID of the message with `subject` in a mailbox, as another client finds it.
func uid(_ client: IMAPClient, _ subject: String, in mailbox: String = "INBOX") async throws -> UID?
{
  try await client.select(MailboxName(mailbox))
  return try await client.search(.header(name: "Subject", value: subject)).bounds?.lowerBound
}
