package import Bytes
import MIME
import Model
import Sieve

/// What became of one rule on one message.
package struct RuleOutcome: Sendable, Equatable {
  /// The place of the rule in its list.
  package var index: Int
  /// Whether its condition held; nil where an earlier rule stopped before it.
  package var matched: Bool?
  /// JSON pointers, from the rule on, to the clauses that decided.
  package var deciding: [String] = []

  package init(index: Int, matched: Bool? = nil) {
    self.index = index
    self.matched = matched
  }
}

/// What a list of rules wants to be done with one message, earlier rules' effects taken into account.
package struct Disposition: Sendable, Equatable {
  /// The mailboxes that rules put it into, each once, in their order.
  package var mailboxes: [RuleAction.MailboxName] = []
  /// Whether it stays where new mail goes.
  package var isKept = true
  /// Whether a rule deletes it for good, and none files it.
  package var isDiscarded = false
  /// The keywords that it gains, and those that it loses.
  package var addedKeywords: [String] = []
  package var removedKeywords: [String] = []
  /// The addresses that it is sent on to.
  package var redirects: [String] = []
  /// The reply that its sender gets.
  package var reply: RuleReply?
  /// Who is told of it.
  package var notifications: [RuleNotification] = []
  /// Whether its header is another in the end (RFC 5293).
  package var isEdited = false
  package init() {}

  /// Whether nothing is done but to leave it where it is.
  package var isNothing: Bool { self == Disposition() }

  /// Whether anything is sent.
  package var sends: Bool { !redirects.isEmpty || reply != nil || !notifications.isEmpty }
}

/// A list of rules held against one message.
package struct RuleRun: Sendable {
  /// What became of each rule, in order.
  package private(set) var outcomes: [RuleOutcome] = []
  /// What is to be done in the end.
  package private(set) var disposition = Disposition()
  /// What rules asked for and is not done.
  package private(set) var refused: [RefusedAction] = []
  /// The actions that `disposition.redirects` come from, each at the place of its address.
  package private(set) var redirectPlaces: [ActionPlace] = []
  /// The actions that `disposition.notifications` come from, likewise.
  package private(set) var notificationPlaces: [ActionPlace] = []
  /// The action that `disposition.reply` comes from.
  package private(set) var replyPlace: ActionPlace?
  /// The changes of the header that change anything, in their order.
  package private(set) var edits: [HeaderEdit] = []
  /// The actions that `edits` come from, likewise.
  package private(set) var editPlaces: [ActionPlace] = []
  /// How many of `edits` the message has had when it is sent on to each of `disposition.redirects`.
  package private(set) var editsOfRedirects: [Int] = []
  /// The message with the changes of its header so far.
  package private(set) var message: RuleMessage

  /// Whether an action has taken the place of the implicit keep.
  private var isCancelled = false
  private var isKeptExplicitly = false
  private var keywords: Set<String>

  /// Runs those of `rules` that are enabled, in order.
  package init(
    _ rules: [Rule],
    on message: RuleMessage,
    context: RuleContext,
    limits: RuleLimits = RuleLimits()
  ) {
    self.init(
      CompiledRules(rules, context: context),
      on: message,
      now: context.now,
      limits: limits
    )
  }

  /// Runs those of `rules` that are enabled, in order; with `explains` by which clauses each matched or did not.
  package init(
    _ rules: CompiledRules,
    on message: RuleMessage,
    now: Timestamp,
    explains: Bool = true,
    limits: RuleLimits = RuleLimits()
  ) {
    keywords = message.keywords
    self.message = message
    var values = MessageValues(message)
    var hasStopped = false
    for (index, rule) in rules.rules.enumerated() where rule.isEnabled {
      guard !hasStopped else {
        outcomes.append(RuleOutcome(index: index))
        continue
      }
      var outcome = RuleOutcome(index: index, matched: true)
      if let condition = rules.conditions[index] {
        let run = ConditionRun(values: values, rules: rules, now: now, keywords: keywords)
        if explains {
          let result = run.evaluate(condition)
          outcome.matched = result.holds
          outcome.deciding = result.deciding
        } else {
          outcome.matched = run.holds(condition)
        }
      }
      outcomes.append(outcome)
      guard outcome.matched == true else { continue }
      let edited = edits.count
      for (number, action) in rule.actions.enumerated() {
        take(action, ActionPlace(rule: index, action: number), rules, now, limits)
      }
      // Later rules look at what earlier ones changed.
      if edits.count > edited { values = MessageValues(self.message) }
      hasStopped = rule.stops
    }
    finish(message)
  }

  /// The places of the rules that matched.
  package var matched: [Int] { outcomes.filter { $0.matched == true }.map(\.index) }

  private mutating func take(
    _ action: RuleAction,
    _ place: ActionPlace,
    _ rules: CompiledRules,
    _ now: Timestamp,
    _ limits: RuleLimits
  ) {
    switch action {
    case .move(let mailbox): file(mailbox)
    case .copy(let mailbox): add(mailbox)
    case .keep: isKeptExplicitly = true
    case .junk:
      keywords.insert("$junk")
      file(RuleAction.MailboxName("junk"))
    case .discard:
      isCancelled = true
      disposition.isDiscarded = true
    case .addKeywords(let words): keywords.formUnion(words.map { $0.lowercased() })
    case .removeKeywords(let words): keywords.subtract(words.map { $0.lowercased() })
    case .redirect(let address, let keeps): redirect(address, keeps, place, rules, limits)
    case .reply(let reply):
      if disposition.reply != nil {
        refused.append(RefusedAction(place, .secondReply))
      } else if !reply.isDue(at: now) {
        refused.append(RefusedAction(place, .notDue))
      } else {
        disposition.reply = reply
        replyPlace = place
      }
    case .notify(let address, let text):
      let notification = RuleNotification(address: address, text: text)
      // RFC 5436 §2.7: nobody is told twice of one message.
      let isTold = disposition.notifications.contains {
        ComparedAddress.key(of: $0.address) == ComparedAddress.key(of: address)
      }
      guard !isTold else { return }
      guard disposition.notifications.count < limits.notifications else {
        return refused.append(RefusedAction(place, .notifyLimit))
      }
      disposition.notifications.append(notification)
      notificationPlaces.append(place)
    case .addHeader(let name, let value): edit(.add(name: name, value: value), place)
    case .deleteHeader(let name):
      guard !HeaderFields.mustStay(name.lowercased()) else {
        return refused.append(RefusedAction(place, .protectedField))
      }
      edit(.delete(name: name), place)
    case .reject: refused.append(RefusedAction(place, .afterDelivery))
    }
  }

  private mutating func edit(_ edit: HeaderEdit, _ place: ActionPlace) {
    guard let header = edit.applied(to: message.header) else { return }
    message.size += Int64(header.fieldBytes.count - message.header.fieldBytes.count)
    message.header = header
    edits.append(edit)
    editPlaces.append(place)
  }

  /// A message that is not sent on stays where it is.
  private mutating func redirect(
    _ address: String,
    _ keeps: Bool,
    _ place: ActionPlace,
    _ rules: CompiledRules,
    _ limits: RuleLimits
  ) {
    let folded = address.lowercased()
    if rules.own.contains([UInt8](address.utf8).map(\.asciiLowercased)) {
      return refused.append(RefusedAction(place, .ownAddress))
    }
    if !disposition.redirects.contains(where: { $0.lowercased() == folded }) {
      guard disposition.redirects.count < limits.redirects else {
        return refused.append(RefusedAction(place, .redirectLimit))
      }
      disposition.redirects.append(address)
      redirectPlaces.append(place)
      editsOfRedirects.append(edits.count)
    }
    if !keeps { isCancelled = true }
  }

  private mutating func file(_ mailbox: RuleAction.MailboxName) {
    isCancelled = true
    add(mailbox)
  }

  private mutating func add(_ mailbox: RuleAction.MailboxName) {
    if mailbox.isInbox {
      isKeptExplicitly = true
    } else if !disposition.mailboxes.contains(mailbox) {
      disposition.mailboxes.append(mailbox)
    }
  }

  private mutating func finish(_ message: RuleMessage) {
    disposition.isKept = isKeptExplicitly || !isCancelled
    if disposition.isKept || !disposition.mailboxes.isEmpty { disposition.isDiscarded = false }
    disposition.addedKeywords = keywords.subtracting(message.keywords).sorted()
    disposition.removedKeywords = message.keywords.subtracting(keywords).sorted()
    disposition.isEdited =
      !edits.isEmpty && self.message.header.fieldBytes != message.header.fieldBytes
  }
}

extension RuleAction.MailboxName {
  /// Whether new mail goes there anyway.
  package var isInbox: Bool { text == "inbox" || text.uppercased() == "INBOX" }
}

extension RuleReply {
  /// Whether it answers on the day of `now`, in UTC.
  package func isDue(at now: Timestamp) -> Bool {
    var bytes: [UInt8] = []
    bytes.append(rfc3339: now)
    let today = String(decoding: bytes.prefix(10), as: UTF8.self)
    return firstDay.map { $0 <= today } ?? true && lastDay.map { today <= $0 } ?? true
  }
}
