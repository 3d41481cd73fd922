import Bytes
import Crypto
import MIME
import Model
import Rules
import Sieve
import Store

/// Turns what a script wants of one message into what is to be done with it.
struct ScriptPlan {
  let account: AccountRules
  let now: Timestamp
  let envelope: ScriptEnvelope
  /// The whole message; nil where the script sends nothing.
  let raw: [UInt8]?
  /// Makes a mailbox of this path, with those above it.
  let makeMailbox: @Sendable (String, ID<Account>) async throws -> ID<Mailbox>

  private var mail: RuleMail { RuleMail(account: account.account, now: now) }

  /// Where the message goes, and what it carries.
  private struct Places {
    var isKept: Bool
    var targets: [ID<Mailbox>] = []
    var keywords: Set<String> = []
    var isDiscarded = false

    mutating func add(_ target: ID<Mailbox>) {
      if !targets.contains(target) { targets.append(target) }
    }

    mutating func add(_ flags: [String]) {
      // RFC 5232: a message carries the flags of its delivery; its copies here are one message.
      keywords.formUnion(flags.map(\.keyword))
    }
  }

  /// What is to be done, and what of it is refused; a run that failed leaves the message as it is (RFC 5228 §2.10.6).
  func effect(
    of outcome: ScriptOutcome,
    on stored: StoredRuleMessage
  ) async throws -> (effect: RuleEffect, refused: [RefusedAction]) {
    var effect = RuleEffect()
    var refused: [RefusedAction] = []
    guard outcome.error == nil else { return (effect, []) }
    var places = Places(isKept: outcome.isImplicitlyKept)
    var staysHere = false
    if outcome.isImplicitlyKept { places.add(outcome.implicitKeep.flags) }
    for (index, action) in outcome.actions.enumerated() {
      switch action {
      case .keep(let delivery):
        places.isKept = true
        places.add(delivery.flags)
      case .fileInto(let path, let delivery):
        places.add(delivery.flags)
        if let target = try await mailbox(path, delivery) {
          places.add(target)
        } else {
          places.isKept = true
        }
      case .discard: places.isDiscarded = true
      case .redirect, .reject, .vacation, .notify:
        guard let reason = try send(action, into: &effect) else { continue }
        refused.append(RefusedAction(ActionPlace(rule: 0, action: index), reason))
        if action.isRouting { staysHere = true }
      }
    }
    // What was to go elsewhere and does not stays where its owner looks.
    if staysHere, places.targets.isEmpty { places.isKept = true }
    place(stored, places, into: &effect)
    effect.marks = outcome.marks.map { mark in
      let until = now.microseconds + mark.seconds * 1_000_000
      return RuleEffect.Mark(digest: mark.digest, until: Timestamp(microseconds: until))
    }
    return (effect, refused)
  }

  private func place(
    _ stored: StoredRuleMessage,
    _ places: Places,
    into effect: inout RuleEffect
  ) {
    var targets = places.targets
    effect.patch.addKeywords = places.keywords.subtracting(stored.message.keywords).sorted()
    if !places.isKept, targets.isEmpty {
      // Sent on and not kept: what could not be sent in the end can still be found.
      let trash = account.mailboxes.first { $0.role == "trash" }
      guard !places.isDiscarded || !effect.submissions.isEmpty, let trash else {
        effect.destroys = places.isDiscarded
        return
      }
      targets = [trash.id]
    }
    effect.patch.addMailboxes = targets
    guard !places.isKept else { return }
    let inboxes = account.mailboxes.filter { $0.role == "inbox" }.map(\.id)
    effect.patch.removeMailboxes = inboxes.filter { !targets.contains($0) }
  }

  /// The mailbox of a delivery, made where it is missing; nil for the inbox, and where no mailbox can have the name.
  private func mailbox(
    _ path: String,
    _ delivery: ScriptDelivery
  ) async throws -> ID<Mailbox>? {
    let all = account.mailboxes
    let found =
      delivery.mailboxID.flatMap { id in all.first { $0.id.description == id } }
      ?? delivery.specialUse.flatMap { use in all.first { $0.role == use.role } }
      ?? all.first { $0.path.isPath(path) }
    if let found { return found.role == "inbox" ? nil : found.id }
    guard !path.isPath("INBOX") else { return nil }
    do {
      return try await makeMailbox(path, account.account.id)
    } catch let error as ServiceError where error.code == .invalidRequest {
      // The name may be the sender's: then the inbox has the message.
      return nil
    }
  }

  // MARK: - Mail

  /// Makes the mail of an action; why it is not sent, where it is not.
  private func send(
    _ action: ScriptAction,
    into effect: inout RuleEffect
  ) throws -> RefusedAction.Reason? {
    guard account.account.outgoing != nil, let raw else { return .noOutgoing }
    switch action {
    case .redirect(let redirect): return redirected(redirect, raw, into: &effect)
    case .reject(let reason, _):
      let notice = RejectionNotice(
        reason: reason,
        original: LineEnds.canonical(raw),
        envelope: envelope
      )
      guard let notice, !mail.isOwn(envelope.from) else { return .notAnswerable }
      let message = notice.message(date: date, messageID: try mail.messageID())
      effect.submissions.append(mail.submission(message, from: "", to: envelope.from, nil))
    case .vacation(let vacation):
      switch try mail.reply(vacation, envelope: envelope) {
      case .mail(let reply): effect.reply = reply
      case .refused(let reason): return reason
      }
    case .notify(let notification):
      let made = notification.mail(
        about: HeaderFields(parsing: raw),
        envelope: envelope,
        date: date,
        messageID: try mail.messageID()
      )
      guard let made else { return .loop }
      let sender = envelope.from.isEmpty ? "" : account.account.email
      effect.submissions += made.recipients.map {
        mail.submission(made.message, from: sender, to: $0, nil)
      }
    case .keep, .fileInto, .discard: break
    }
    return nil
  }

  /// Sends a message on; to whom it does not go, it does not for the reason of the last.
  private func redirected(
    _ redirect: ScriptRedirect,
    _ raw: [UInt8],
    into effect: inout RuleEffect
  ) -> RefusedAction.Reason? {
    let limit = RuleLimits().redirects
    let addresses = redirect.isList ? account.list(redirect.address) ?? [] : [redirect.address]
    var refusal: RefusedAction.Reason? = addresses.isEmpty ? .emptyList : nil
    if addresses.count > limit { refusal = .redirectLimit }
    for address in addresses.prefix(limit) {
      switch mail.redirected(raw, to: address, envelope: envelope) {
      case .mail(let sent): effect.submissions.append(sent)
      case .refused(let reason): refusal = reason
      }
    }
    return refusal
  }

  private var date: MIMEDate { MIMEDate(seconds: now.seconds) }

  // MARK: - The log

  /// What a run did, for the log; nil where it left the message as it was.
  func log(of outcome: ScriptOutcome) -> JSONValue? {
    if let error = outcome.error {
      return .array([Self.entry("error", "message", error.description)])
    }
    var entries = outcome.actions.map(Self.entry)
    if outcome.isImplicitlyKept, !outcome.implicitKeep.flags.isEmpty {
      entries.append(Self.entry(.keep(outcome.implicitKeep)))
    }
    return entries.isEmpty ? nil : .array(entries)
  }

  private static func entry(_ action: ScriptAction) -> JSONValue {
    switch action {
    case .keep(let delivery): entry("keep", flags: delivery.flags)
    case .fileInto(let path, let delivery):
      entry("fileinto", "mailbox", path, flags: delivery.flags)
    case .discard: entry("discard")
    case .redirect(let redirect): entry("redirect", "address", redirect.address)
    case .reject(let reason, _): entry("reject", "reason", reason)
    case .vacation(let vacation): entry("vacation", "subject", vacation.subject)
    case .notify(let notification): entry("notify", "method", notification.method)
    }
  }

  private static func entry(
    _ type: String,
    _ name: String? = nil,
    _ value: String = "",
    flags: [String] = []
  ) -> JSONValue {
    var members: [JSONValue.Member] = [.init(name: "type", value: .string(type))]
    if let name { members.append(.init(name: name, value: .string(value.withoutNUL))) }
    if !flags.isEmpty {
      members.append(.init(name: "flags", value: .array(flags.map { .string($0) })))
    }
    return .object(members)
  }
}

extension String {
  /// The keyword of JMAP that a flag of IMAP is (RFC 8621 §4.1.1).
  fileprivate var keyword: String {
    hasPrefix("\\") ? "$\(dropFirst().lowercased())" : lowercased()
  }
}

extension ScriptAction {
  /// Whether the message goes elsewhere by it, and not here.
  fileprivate var isRouting: Bool {
    switch self {
    case .redirect, .reject: true
    case .keep, .fileInto, .discard, .vacation, .notify: false
    }
  }
}
