import Logging
import Model
import Net
import Store

/// An account whose mail is kept here and nowhere else: there is nothing to connect to, so it is always ready.
///
/// What is left to do behind a caller's back are jobs.
final class LocalBackend: MailBackend {
  let loop: EventLoop
  let signal = LoopSignal()
  private let account: ID<Account>
  private let services: EngineServices
  private let logger: Logger

  init(_ account: ID<Account>, on loop: EventLoop, _ services: EngineServices) {
    self.account = account
    self.loop = loop
    self.services = services
    var logger = services.logger
    logger[metadataKey: "account"] = "\(account)"
    self.logger = logger
  }

  func run() async {
    var backoff = Backoff(
      first: services.configuration.firstBackoff,
      longest: services.configuration.longestBackoff
    )
    // What a stop left unfinished goes on.
    var reasons: LoopSignal.Reasons = .jobs
    while !Task.isCancelled {
      var retry: Deadline?
      if reasons.contains(.jobs) {
        do {
          try await inChildTask { [services, account, logger] in
            try await services.runJobs(of: account, logger)
          }
          backoff.reset()
        } catch {
          logger.notice("jobs not done", metadata: ["cause": "\(error)"])
          retry = .now + backoff.next(spread: Double.random(in: 0...1))
        }
      }
      reasons = await signal.wait(until: retry, on: loop)
      if retry != nil { reasons.insert(.jobs) }
    }
  }
}

extension LocalBackend {
  /// What stands between two levels of a path.
  static let delimiter = "/"

  /// The mailboxes that an account of this kind begins with: the usual roles.
  static let mailboxes: [MailboxListing] = [
    ("INBOX", "inbox"), ("Drafts", "drafts"), ("Sent", "sent"), ("Archive", "archive"),
    ("Junk", "junk"), ("Trash", "trash"),
  ].map { name, role in
    var listing = MailboxListing(
      encodedName: name,
      path: name,
      name: name,
      parentEncodedName: nil,
      delimiter: delimiter,
      role: role,
      isSubscribed: true,
      isSelectable: true
    )
    listing.isLocal = true
    return listing
  }
}
