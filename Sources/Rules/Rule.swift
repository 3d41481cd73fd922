package import Bytes
package import Model

/// A condition on messages, and what is done with those that meet it.
package struct Rule: Sendable, Equatable {
  /// When a rule runs.
  package enum Trigger: String, Sendable, CaseIterable {
    /// On each new message, once.
    case delivery
    /// On stored mail alone, where it is told to run.
    case stored
    /// On each message that the account sends, once, when its copy is filed.
    case outbound
    /// On stored mail, by the clock.
    case schedule
  }

  /// Nil for one that is not stored.
  package var id: ID<MailRule>?
  package var name: String
  package var isEnabled = true
  package var trigger = Trigger.delivery
  /// After how many hours it runs again, where its trigger is the clock.
  package var hours: Int?
  /// The condition as it was written; nil for one that every message meets.
  package var filter: JSONValue?
  /// The condition as it was read.
  package var condition: LocatedQuery?
  package var actions: [RuleAction]
  /// Whether no later rule looks at a message that met this one.
  package var stops = false

  /// A rule with a condition that was read from `filter`.
  package init(
    name: String,
    filter: JSONValue? = nil,
    condition: LocatedQuery? = nil,
    actions: [RuleAction],
    stops: Bool = false
  ) {
    self.name = name
    self.filter = filter
    self.condition = condition
    self.actions = actions
    self.stops = stops
  }
}

/// What a rule does with a message.
package enum RuleAction: Sendable, Equatable {
  /// Puts it into a mailbox, away from where it was.
  case move(MailboxName)
  /// Puts it into a mailbox as well.
  case copy(MailboxName)
  /// Leaves it where new mail goes, whatever other rules do.
  case keep
  /// Moves it to the junk mailbox and marks it so.
  case junk
  /// Deletes it for good, unless another rule files it.
  case discard
  case addKeywords([String])
  case removeKeywords([String])
  /// Sends it on to another address; `keeps` leaves it here as well.
  case redirect(String, keeps: Bool)
  /// Answers its sender.
  case reply(RuleReply)
  /// Refuses it with a text (RFC 5429), which only a server can do that is just receiving it.
  case reject(String)
  /// Sends a notification to an address (RFC 5436).
  case notify(address: String, text: String?)
  /// Adds a field to its header (RFC 5293), unless it has that field with that value.
  case addHeader(name: String, value: String)
  /// Deletes all fields of a name from its header.
  case deleteHeader(String)

  /// A mailbox as rules name it: by its id, its role or its path.
  package struct MailboxName: Sendable, Hashable {
    package var text: String

    package init(_ text: String) { self.text = text }
  }
}

/// An automatic reply (RFC 5230).
package struct RuleReply: Sendable, Equatable {
  package var text: String
  package var subject: String?
  /// Who answers; nil for the address that the message was sent to.
  package var from: String?
  /// For how many days one sender is not answered again.
  package var days = 7
  /// The first and the last day, in UTC, as `2026-11-22`, on which it answers; nil is without bound.
  package var firstDay: String?
  package var lastDay: String?

  package init(text: String) { self.text = text }
}

/// A notification of a message, by mail (RFC 5436).
package struct RuleNotification: Sendable, Equatable {
  package var address: String
  /// Its subject; nil for that of the message.
  package var text: String?
}

/// How much rules may be.
package struct RuleLimits: Sendable {
  /// Most rules of an account.
  package var rules = 500
  /// Most actions of one rule.
  package var actions = 20
  /// Longest name, in bytes.
  package var nameBytes = 200
  /// Longest text of a reply, in bytes.
  package var textBytes = 16_384
  /// Most keywords that one action names.
  package var keywords = 20
  /// How often one message is sent on, and how many are told of it, by all rules together.
  package var redirects = 4
  package var notifications = 4
  /// Between two runs by the clock, in hours.
  package var hours = 1...8_760
  /// Most lists of an account, and most entries of one.
  package var lists = 100
  package var listEntries = 10_000

  package init() {}
}

extension Rule {
  /// Whether an action puts the message anywhere, its implicit place included.
  var files: Bool { actions.contains(where: \.files) }
}

extension RuleAction {
  /// Whether it puts the message into a mailbox.
  var files: Bool {
    switch self {
    case .move, .copy, .keep, .junk: true
    default: false
    }
  }

  /// The mailbox that it puts the message into.
  package var mailbox: MailboxName? {
    switch self {
    case .move(let name), .copy(let name): name
    case .junk: MailboxName("junk")
    default: nil
    }
  }

  /// Whether it changes the keywords of a message.
  var marks: Bool {
    switch self {
    case .addKeywords, .removeKeywords, .junk: true
    default: false
    }
  }

  /// Whether it changes the header of a message.
  package var edits: Bool {
    switch self {
    case .addHeader, .deleteHeader: true
    default: false
    }
  }

  /// Whether it sends anything.
  package var sends: Bool {
    switch self {
    case .redirect, .reply, .notify, .reject: true
    default: false
    }
  }
}
