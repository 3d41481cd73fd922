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
  /// The whole message; nil where the script needs nothing of it but its header.
  let raw: ParsedMessage?
  let hands: RuleHands

  private var mail: RuleMail { RuleMail(account: account.account, now: now) }

  /// What is to be done, and what of it is refused; a run that failed leaves the message as it is (RFC 5228 §2.10.6).
  func effect(
    of outcome: ScriptOutcome,
    on stored: StoredRuleMessage
  ) async throws -> (effect: RuleEffect, refused: [RefusedAction]) {
    var effect = RuleEffect()
    guard outcome.error == nil else { return (effect, []) }
    let isReadable =
      !stored.isTruncated && raw?.defects.contains { $0.kind == .headerTooLarge } == false
    var places = ScriptPlaces(allowsChanges: isReadable)
    let unmade = isReadable ? [] : outcome.changedPlaces
    var refused = unmade.map { RefusedAction(ActionPlace(rule: 0, action: $0), .tooLong) }
    var staysHere = false
    if outcome.isImplicitlyKept { places.keep(outcome.implicitKeep) }
    for (index, action) in outcome.actions.enumerated() {
      let place = ActionPlace(rule: 0, action: index)
      let reason: RefusedAction.Reason?
      switch action {
      case .keep(let delivery):
        places.keep(delivery)
        continue
      case .discard:
        places.isDiscarded = true
        continue
      case .fileInto(let path, let delivery):
        reason = try await file(stored, path, delivery, &places)
      case .redirect, .reject, .vacation, .notify:
        reason = try await send(action, place, into: &effect, isReadable)
        if reason != nil, action.isRouting { staysHere = true }
      }
      if let reason { refused.append(RefusedAction(place, reason)) }
    }
    // What was to go elsewhere and does not stays where its owner looks.
    if staysHere, places.versions.allSatisfy(\.targets.isEmpty) {
      places.keep(outcome.implicitKeep)
    }
    try await place(stored, places, outcome, into: &effect)
    effect.marks = outcome.marks.map(mark)
    return (effect, refused)
  }

  private func mark(_ mark: DuplicateMark) -> RuleEffect.Mark {
    let until = now.microseconds + mark.seconds * 1_000_000
    return RuleEffect.Mark(digest: mark.digest, until: Timestamp(microseconds: until))
  }

  /// Files a delivery, or keeps it where the mailbox cannot have it; why, where there is one.
  private func file(
    _ stored: StoredRuleMessage,
    _ path: String,
    _ delivery: ScriptDelivery,
    _ places: inout ScriptPlaces
  ) async throws -> RefusedAction.Reason? {
    let target = try await mailbox(path, delivery)
    if let target, account.takes(stored, into: target) {
      places.file(delivery, into: target)
      return nil
    }
    // Its owner finds it where new mail is.
    places.keep(delivery)
    return target == nil ? .noMailbox : .detachedMailbox
  }

  private func place(
    _ stored: StoredRuleMessage,
    _ places: ScriptPlaces,
    _ outcome: ScriptOutcome,
    into effect: inout RuleEffect
  ) async throws {
    guard let main = places.main else {
      // Sent on and not kept: what could not be sent in the end can still be found.
      let trash = account.mailboxes.first { $0.role == "trash" }
      guard !places.isDiscarded || !effect.submissions.isEmpty, let trash else {
        effect.destroys = places.isDiscarded
        return
      }
      return move(to: [trash.id], into: &effect)
    }
    let version = places.versions[main]
    effect.patch.addKeywords = version.keywords.subtracting(stored.message.keywords).sorted()
    if version.isKept {
      effect.patch.addMailboxes = version.targets
    } else {
      move(to: version.targets, into: &effect)
    }
    if let message = version.message, let mailbox = stored.mailboxes.first {
      var rewrite = MessageRewrite(try await hands.delivery(of: message, into: mailbox))
      rewrite.refusals = outcome.changedPlaces.prefix(1).map { action in
        let place = ActionPlace(rule: 0, action: action)
        return (0, RefusedAction(place, .severalMailboxes).json)
      }
      effect.rewrite = rewrite
    }
    for (index, other) in places.versions.enumerated() where index != main {
      let keywords = other.keywords.sorted()
      let bytes = other.message ?? raw?.bytes ?? []
      for target in other.targets + (other.isKept ? inboxes.prefix(1) : []) {
        effect.deliveries.append(
          try await hands.delivery(of: bytes, into: target, keywords: keywords)
        )
      }
    }
  }

  private func move(to targets: [ID<Mailbox>], into effect: inout RuleEffect) {
    effect.patch.addMailboxes = targets
    effect.patch.removeMailboxes = inboxes.filter { !targets.contains($0) }
  }

  private var inboxes: [ID<Mailbox>] {
    account.mailboxes.filter { $0.role == "inbox" }.map(\.id)
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
      return try await hands.makeMailbox(path, of: account.account.id)
    } catch let error as ServiceError where error.code == .invalidRequest {
      // The name may be the sender's: then the inbox has the message.
      return nil
    }
  }

  // MARK: - Mail

  /// Makes the mail of an action; why it is not sent, where it is not.
  private func send(
    _ action: ScriptAction,
    _ place: ActionPlace,
    into effect: inout RuleEffect,
    _ isReadable: Bool
  ) async throws -> RefusedAction.Reason? {
    guard account.account.outgoing != nil, let raw = raw?.bytes else { return .noOutgoing }
    switch action {
    case .redirect(let redirect):
      guard isReadable else { return .tooLong }
      return redirected(redirect, raw, into: &effect)
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
      case .mail(var reply):
        reply.refusal = RefusedAction(place, .answeredAlready).json
        reply.copy = try await filedCopy(of: reply.submission.message, vacation.fcc)
        effect.reply = reply
      case .refused(let reason): return reason
      }
    case .notify(let notification): return try await notify(notification, raw, into: &effect)
    case .keep, .fileInto, .discard: break
    }
    return nil
  }

  private func notify(
    _ notification: ScriptNotification,
    _ raw: [UInt8],
    into effect: inout RuleEffect
  ) async throws -> RefusedAction.Reason? {
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
    if let copy = try await filedCopy(of: made.message, notification.fcc) {
      effect.deliveries.append(copy)
    }
    return nil
  }

  /// The copy of what is sent that the script wants filed (RFC 8580), in the inbox where no mailbox can have the name.
  private func filedCopy(
    of message: [UInt8],
    _ copy: ScriptFiledCopy?
  ) async throws -> Delivery? {
    guard let copy else { return nil }
    let found = try await mailbox(copy.mailbox, copy.delivery)
    guard let target = found ?? inboxes.first else { return nil }
    return try await hands.delivery(
      of: message,
      into: target,
      keywords: Set(copy.delivery.flags.map(\.keyword)).sorted()
    )
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
      switch mail.redirected(raw, as: redirect.message, to: address, envelope: envelope) {
      case .mail(let sent): effect.submissions.append(sent)
      case .refused(let reason): refusal = reason
      }
    }
    return refusal
  }

  private var date: MIMEDate { MIMEDate(seconds: now.seconds) }
}
