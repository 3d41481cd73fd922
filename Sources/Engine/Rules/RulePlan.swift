import Bytes
import MIME
import Model
import Rules
import Sieve
import Store

/// Turns what rules want of one message into what is to be done with it.
struct RulePlan {
  let rules: [Rule]
  let account: AccountRules
  let now: Timestamp
  let reader: RuleMessageReader
  /// The envelope that the message came in; nil where only its header can tell.
  var envelope: DeliveryEnvelope?
  /// Makes a mailbox of this path, with those above it.
  let makeMailbox: @Sendable (String, ID<Account>) async throws -> ID<Mailbox>
  /// The mailboxes of the names that were looked up; nil for a name that none has.
  private var found: [RuleAction.MailboxName: ID<Mailbox>?] = [:]
  /// Whether a mailbox was made.
  private(set) var hasMadeMailboxes = false
  /// What each rule asks for, as JSON.
  private let actions: [JSONValue]

  init(
    _ rules: [Rule],
    account: AccountRules,
    now: Timestamp,
    reader: RuleMessageReader,
    makeMailbox: @escaping @Sendable (String, ID<Account>) async throws -> ID<Mailbox>
  ) {
    self.rules = rules
    self.account = account
    self.now = now
    self.reader = reader
    self.makeMailbox = makeMailbox
    actions = rules.map { .array($0.actions.map(\.json)) }
  }

  /// The effect of `run` on a message that is in `sources`; what rules send is refused where `sends` is false.
  mutating func effect(
    of run: RuleRun,
    on stored: StoredRuleMessage,
    in sources: [ID<Mailbox>],
    sends: Bool
  ) async throws -> RuleEffect {
    var effect = RuleEffect()
    var refused = run.refused
    let disposition = run.disposition
    effect.patch.addKeywords = disposition.addedKeywords
    effect.patch.removeKeywords = disposition.removedKeywords
    var targets: [ID<Mailbox>] = []
    for name in disposition.mailboxes {
      guard let target = try await mailbox(name) else {
        refused += places(of: name, run).map { RefusedAction($0, .noMailbox) }
        continue
      }
      if !targets.contains(target) { targets.append(target) }
    }
    var isSentOn = false
    if disposition.sends {
      if sends, account.account.outgoing != nil {
        isSentOn = try await addMail(run, stored.id, to: &effect, &refused)
      } else {
        let reason: RefusedAction.Reason = sends ? .noOutgoing : .storedMail
        let places = run.redirectPlaces + run.notificationPlaces
        refused += (places + [run.replyPlace].compactMap(\.self))
          .map { RefusedAction($0, reason) }
      }
    }
    if disposition.isKept || disposition.isDiscarded {
      effect.patch.addMailboxes = targets
      // What was to be sent on first, and is not, stays.
      effect.destroys = disposition.isDiscarded && (run.redirectPlaces.isEmpty || isSentOn)
    } else if disposition.mailboxes.isEmpty, isSentOn,
      let trash = account.mailboxes.first(where: { $0.role == "trash" })
    {
      // Sent on and not kept: what could not be sent in the end can still be found.
      targets = [trash.id]
    }
    if !disposition.isKept, !targets.isEmpty {
      effect.patch.addMailboxes = targets
      effect.patch.removeMailboxes = sources.filter { !targets.contains($0) }
    }
    addMatches(run, refused, to: &effect)
    return effect
  }

  /// The actions of rules that matched which put the message into a mailbox.
  private func places(
    of name: RuleAction.MailboxName,
    _ run: RuleRun
  ) -> [ActionPlace] {
    run.matched.flatMap { rule in
      rules[rule].actions.indices.filter { rules[rule].actions[$0].mailbox == name }
        .map { ActionPlace(rule: rule, action: $0) }
    }
  }

  private func addMatches(
    _ run: RuleRun,
    _ refused: [RefusedAction],
    to effect: inout RuleEffect
  ) {
    for index in run.matched {
      guard let id = rules[index].id else { continue }
      if index == run.replyPlace?.rule { effect.reply?.match = effect.matches.count }
      effect.matches.append(
        RuleEffect.Match(
          rule: id,
          name: rules[index].name,
          actions: actions[index],
          refused: refused.filter { $0.place.rule == index }.map(\.json)
        )
      )
    }
  }

  /// Makes what rules send; whether the message goes on to anybody.
  private func addMail(
    _ run: RuleRun,
    _ id: ID<Message>,
    to effect: inout RuleEffect,
    _ refused: inout [RefusedAction]
  ) async throws -> Bool {
    let disposition = run.disposition
    let mail = RuleMail(account: account.account, now: now)
    let section: RuleMessageReader.RuleSection =
      disposition.redirects.isEmpty ? .header : .message
    let raw = try await reader.read(id, section, account.account.id)
    let header = HeaderFields(parsing: raw)
    // The header that the rules saw may not have been whole.
    let envelope = reader.envelope(of: header, envelope)
    for (address, place) in zip(disposition.redirects, run.redirectPlaces) {
      switch mail.redirected(raw, to: address, envelope: envelope) {
      case .mail(let submission): effect.submissions.append(submission)
      case .refused(let reason): refused.append(RefusedAction(place, reason))
      }
    }
    let isSentOn = !effect.submissions.isEmpty
    for (notification, place) in zip(disposition.notifications, run.notificationPlaces) {
      switch try mail.notification(notification, about: header, envelope: envelope) {
      case .mail(let submission): effect.submissions.append(submission)
      case .refused(let reason): refused.append(RefusedAction(place, reason))
      }
    }
    guard let reply = disposition.reply, let place = run.replyPlace else { return isSentOn }
    switch try mail.reply(reply, to: header, envelope: envelope) {
    case .mail(var made):
      made.refusal = RefusedAction(place, .answeredAlready).json
      effect.reply = made
    case .refused(let reason): refused.append(RefusedAction(place, reason))
    }
    return isSentOn
  }

  private mutating func mailbox(_ name: RuleAction.MailboxName) async throws -> ID<Mailbox>? {
    if let known = found[name] { return known }
    let mailbox: ID<Mailbox>?
    switch name.find(in: account.namedMailboxes) {
    case .unknown: mailbox = nil
    case .existing(let found): mailbox = ID<Mailbox>(text: found.id)
    case .missing(let path):
      do {
        mailbox = try await makeMailbox(path, account.account.id)
        hasMadeMailboxes = true
      } catch let error as ServiceError where error.code == .invalidRequest {
        mailbox = nil  // No mailbox can have the name.
      }
    }
    found[name] = .some(mailbox)
    return mailbox
  }
}
