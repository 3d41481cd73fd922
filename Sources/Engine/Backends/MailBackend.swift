import MailProtocols
import MIME
import Model
import Net
import Store

/// What stands behind the mailboxes of one account: the seam between the engine and the protocols that it speaks.
///
/// The database is the same behind all of them, and so is what is done there: lists, threads, searches, the feed, and the change
/// that a caller asks for, which is visible at once. A back end is asked for what differs:
///
/// - who keeps the account current (`run`): a worker that syncs and replays intents, or one that only has jobs to do;
/// - its tree of mailboxes, where a server has to agree before it changes;
/// - what a server alone has: bodies that are not kept here, and texts that no index here knows.
///
/// Where mail lives is a property of each mailbox. In one that is local (`Mailbox.isLocal`) the raw messages are kept here and what
/// is done is final with its transaction: there is no intent to replay and no server to ask, and the engine does not come here
/// for it. So a back end whose mailboxes are all local has nothing to add to what stands in the extension below, and one
/// that fills a local inbox from a server (POP3) only brings the worker that does.
protocol MailBackend: Sendable {
  /// Where its tasks run.
  var loop: EventLoop { get }
  /// Wakes `run`.
  var signal: LoopSignal { get }
  /// What is known from the connections that are open now.
  var connection: AccountConnection { get }

  /// Keeps the account current until the task is cancelled or the account is gone.
  func run() async

  /// What the names of mailboxes at the top begin with.
  func topLevelPrefix(_ known: [Mailbox]) async throws -> String
  /// Makes a mailbox; how it is listed then.
  func create(_ mailbox: MailboxListing) async throws -> MailboxListing
  /// Renames a mailbox of the server, and those below it, which are among the `known`.
  func rename(_ mailbox: Mailbox, to name: MailboxName, among known: [Mailbox]) async throws
  /// Subscribes to a mailbox of the server, or no more.
  func setSubscribed(_ isSubscribed: Bool, _ mailbox: Mailbox) async throws
  /// Deletes a mailbox of the server; with `ifEmpty` one that holds messages is a conflict.
  func delete(_ mailbox: Mailbox, ifEmpty: Bool) async throws

  /// Hands a section of a message that is not kept here to `sink`, piece by piece, its transfer encoding decoded.
  func read(
    _ message: ID<Message>,
    _ section: BodySection,
    decoding encoding: TransferEncoding,
    to sink: @escaping BodySink
  ) async throws

  /// Adds the messages of its server's `mailboxes` that have `terms`, and what it could not tell by `deadline`.
  func search(
    _ terms: [SearchTerm],
    in mailboxes: [Mailbox],
    until deadline: Deadline,
    addingTo findings: inout SearchFindings
  ) async throws(ServiceError)
}

/// What holds where every mailbox is local.
extension MailBackend {
  var connection: AccountConnection { AccountConnection() }

  func topLevelPrefix(_ known: [Mailbox]) async throws -> String { "" }

  func create(_ mailbox: MailboxListing) async throws -> MailboxListing {
    var mailbox = mailbox
    mailbox.isLocal = true
    return mailbox
  }

  func rename(_ mailbox: Mailbox, to name: MailboxName, among known: [Mailbox]) async throws {}

  func setSubscribed(_ isSubscribed: Bool, _ mailbox: Mailbox) async throws {}

  func delete(_ mailbox: Mailbox, ifEmpty: Bool) async throws {}

  func read(
    _ message: ID<Message>,
    _ section: BodySection,
    decoding encoding: TransferEncoding,
    to sink: @escaping BodySink
  ) async throws {
    throw ServiceError.notFound("message")
  }

  func search(
    _ terms: [SearchTerm],
    in mailboxes: [Mailbox],
    until deadline: Deadline,
    addingTo findings: inout SearchFindings
  ) async throws(ServiceError) {}
}
