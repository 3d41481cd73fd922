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
  let hands: RuleHands
  /// Whether nothing is made, read or sent: only what would be done is wanted.
  var isDry = false
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
    hands: RuleHands
  ) {
    self.rules = rules
    self.account = account
    self.now = now
    self.reader = reader
    self.hands = hands
    actions = rules.map { .array($0.actions.map(\.json)) }
  }

  /// The effect of `run` on a message that is in `sources`; what rules send is refused where `sends` is false.
  mutating func effect(
    of run: RuleRun,
    on stored: StoredRuleMessage,
    in sources: [ID<Mailbox>],
    sends: Bool
  ) async throws -> RuleEffect {
    try await outcome(of: run, on: stored, in: sources, sends: sends).effect
  }

  /// The same, and which actions are not carried out.
  mutating func outcome(
    of run: RuleRun,
    on stored: StoredRuleMessage,
    in sources: [ID<Mailbox>],
    sends: Bool
  ) async throws -> (effect: RuleEffect, refused: [RefusedAction]) {
    var effect = RuleEffect()
    var refused = run.refused
    let disposition = run.disposition
    effect.patch.addKeywords = disposition.addedKeywords
    effect.patch.removeKeywords = disposition.removedKeywords
    var targets = try await targets(of: run, stored, &refused)
    let isSentOn = try await send(run, stored.id, sends, into: &effect, &refused)
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
    if disposition.isEdited, !effect.destroys {
      try await edit(run, stored, &effect, &refused)
    }
    addMatches(run, refused, to: &effect)
    return (effect, refused)
  }

  /// Notes what the message is with its header changed, where it can be.
  private func edit(
    _ run: RuleRun,
    _ stored: StoredRuleMessage,
    _ effect: inout RuleEffect,
    _ refused: inout [RefusedAction]
  ) async throws {
    guard stored.isHereAlone || stored.mailboxes.count < 2 else {
      refused += run.editPlaces.map { RefusedAction($0, .severalMailboxes) }
      return
    }
    if !isDry { effect.rewrite = try await rewrite(run, stored, &refused) }
    effect.isEdited = isDry || effect.rewrite != nil
  }

  /// The mailboxes that rules put the message into.
  private mutating func targets(
    of run: RuleRun,
    _ stored: StoredRuleMessage,
    _ refused: inout [RefusedAction]
  ) async throws -> [ID<Mailbox>] {
    var targets: [ID<Mailbox>] = []
    for name in run.disposition.mailboxes {
      guard let target = try await mailbox(name) else {
        refused += places(of: name, run).map { RefusedAction($0, .noMailbox) }
        continue
      }
      guard account.takes(stored, into: target) else {
        refused += places(of: name, run).map { RefusedAction($0, .detachedMailbox) }
        continue
      }
      if !targets.contains(target) { targets.append(target) }
    }
    return targets
  }

  /// Makes what rules send, where they may send; whether the message goes on to anybody.
  private func send(
    _ run: RuleRun,
    _ id: ID<Message>,
    _ sends: Bool,
    into effect: inout RuleEffect,
    _ refused: inout [RefusedAction]
  ) async throws -> Bool {
    guard run.disposition.sends else { return false }
    if sends, account.account.outgoing != nil {
      guard !isDry else { return !run.redirectPlaces.isEmpty }
      return try await addMail(run, id, to: &effect, &refused)
    }
    let reason: RefusedAction.Reason = sends ? .noOutgoing : .storedMail
    let places = run.redirectPlaces + run.notificationPlaces + [run.replyPlace].compactMap(\.self)
    refused += places.map { RefusedAction($0, reason) }
    return false
  }

  /// The message with the header that it has in the end; nil where it cannot be read whole.
  private func rewrite(
    _ run: RuleRun,
    _ stored: StoredRuleMessage,
    _ refused: inout [RefusedAction]
  ) async throws -> MessageRewrite? {
    let raw = try await reader.read(stored.id, .message, account.account.id)
    guard !raw.isTruncated, let edited = Self.edited(raw.bytes, by: run.edits),
      let mailbox = stored.mailboxes.first
    else {
      refused += run.editPlaces.map { RefusedAction($0, .tooLong) }
      return nil
    }
    return MessageRewrite(try await hands.delivery(of: edited, into: mailbox))
  }

  /// A message with its header changed; nil where that is longer than was read.
  private static func edited(_ raw: [UInt8], by edits: some Sequence<HeaderEdit>) -> [UInt8]? {
    let message = MessageParser.parse(raw)
    let header = edits.reduce(message.header) { $1.applied(to: $0) ?? $0 }
    return message.message(with: header)
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
      if let edited = run.editPlaces.first(where: { $0.rule == index }) {
        effect.rewrite?.refusals.append(
          (effect.matches.count, RefusedAction(edited, .severalMailboxes).json)
        )
      }
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
    let (raw, isTruncated) = try await reader.read(id, section, account.account.id)
    let header = HeaderFields(parsing: raw)
    // The header that the rules saw may not have been whole.
    let envelope = reader.envelope(of: header, envelope)
    for (index, address) in disposition.redirects.enumerated() {
      let place = run.redirectPlaces[index]
      let edits = run.edits.prefix(run.editsOfRedirects[index])
      guard !isTruncated, let sent = edits.isEmpty ? raw : Self.edited(raw, by: edits) else {
        refused.append(RefusedAction(place, .tooLong))
        continue
      }
      switch mail.redirected(raw, as: sent, to: address, envelope: envelope) {
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

  /// An id, which is nobody's, of a mailbox that would be made; nil where none can have such a path.
  private func wouldBe(_ path: String) -> ID<Mailbox>? {
    let delimiter = account.mailboxes.lazy.compactMap(\.delimiter).first
    let names =
      delimiter.map { path.split(separator: $0, omittingEmptySubsequences: false).map(String.init) }
      ?? [path]
    guard names.allSatisfy({ Mailbox.isName($0, delimiter: delimiter) }) else { return nil }
    return ID(-Int64(found.count) - 1)
  }

  /// Whether there is, or can be, a mailbox of a name that rules put the message into.
  func hasMailbox(_ name: RuleAction.MailboxName) -> Bool { found[name].map { $0 != nil } ?? false }

  private mutating func mailbox(_ name: RuleAction.MailboxName) async throws -> ID<Mailbox>? {
    if let known = found[name] { return known }
    let mailbox: ID<Mailbox>?
    switch name.find(in: account.namedMailboxes) {
    case .unknown, .impossible: mailbox = nil
    case .existing(let found): mailbox = ID<Mailbox>(text: found.id)
    case .missing(let path) where isDry: mailbox = wouldBe(path)
    case .missing(let path):
      do {
        mailbox = try await hands.makeMailbox(path, of: account.account.id)
        hasMadeMailboxes = true
      } catch let error as ServiceError where error.code == .invalidRequest {
        mailbox = nil  // No mailbox can have the name.
      }
    }
    found[name] = .some(mailbox)
    return mailbox
  }
}
