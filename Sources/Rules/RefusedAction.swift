package import Bytes

/// An action of a rule, by the places of both.
package struct ActionPlace: Sendable, Hashable {
  /// The place of the rule in its list.
  package var rule: Int
  /// The place of the action in its rule.
  package var action: Int

  package init(rule: Int, action: Int) {
    self.rule = rule
    self.action = action
  }
}

/// An action that a rule asked for and that is not carried out.
package struct RefusedAction: Sendable, Equatable {
  /// Why it is not.
  package enum Reason: String, Sendable, CaseIterable {
    /// Rules sent the message on as often as they may already.
    case redirectLimit = "redirect_limit"
    /// Rules told as many of the message as they may already.
    case notifyLimit = "notify_limit"
    /// It would come back to the account.
    case ownAddress = "own_address"
    /// It has been through here, or through too many servers.
    case loop
    /// Rules have answered the message already.
    case secondReply = "second_reply"
    /// It is not one of the days on which the rule answers.
    case notDue = "not_due"
    /// Its sender must not be answered by a machine (RFC 5230 §4.5, §4.6, RFC 3834 §2).
    case notAnswerable = "not_answerable"
    /// Its sender was answered a short while ago (RFC 5230 §4.2).
    case answeredAlready = "answered_already"
    /// There is no server that sends.
    case noOutgoing = "no_outgoing"
    /// Rules over stored mail send nothing.
    case storedMail = "stored_mail"
    /// The service has taken the message when its rules run.
    case afterDelivery = "after_delivery"
    /// The field keeps mail from going round (RFC 5293 §6).
    case protectedField = "protected_field"
    /// The message is in several mailboxes of its server, which cannot be told that they are of one message still.
    case severalMailboxes = "several_mailboxes"
    /// The message, or its header, is longer than is read.
    case tooLong = "too_long"
    /// The mailbox that it names is gone.
    case noMailbox = "no_mailbox"
    /// Its server has the mailbox no more: only what is kept here alone can go there.
    case detachedMailbox = "detached_mailbox"
    /// The list that it names is empty or gone.
    case emptyList = "empty_list"
  }

  package var place: ActionPlace
  package var reason: Reason

  package init(_ place: ActionPlace, _ reason: Reason) {
    self.place = place
    self.reason = reason
  }
}

extension RefusedAction.Reason {
  /// The reason for a person.
  package var detail: String {
    switch self {
    case .redirectLimit: "The message is sent on as often as rules may already."
    case .notifyLimit: "As many are told of the message as rules may already."
    case .ownAddress: "It is an address of the account itself."
    case .loop: "The message has been through here before, or through too many servers."
    case .secondReply: "The message is answered by an earlier rule."
    case .notDue: "It is not one of the days on which the rule answers."
    case .notAnswerable: "The message is not one that a machine may answer."
    case .answeredAlready: "Its sender was answered within the days that the rule names."
    case .noOutgoing: "The account has no outgoing server."
    case .storedMail: "Nothing is sent for mail that was here before."
    case .afterDelivery: "The service has taken the message when its rules run."
    case .protectedField: "Fields of this name must stay: they keep mail from going round."
    case .severalMailboxes: "The message is in several mailboxes of its server."
    case .tooLong: "The message, or its header, is longer than is read."
    case .noMailbox: "There is no such mailbox any more."
    case .detachedMailbox:
      "The server has the mailbox no more: only messages that are kept here alone can go there."
    case .emptyList: "The list that it names is empty, or gone."
    }
  }
}

extension RefusedAction {
  /// The refusal as JSON, beside the rule whose action it is.
  package var json: JSONValue {
    .object([
      .init(name: "pointer", value: .string("/actions/\(place.action)")),
      .init(name: "code", value: .string(reason.rawValue)),
      .init(name: "reason", value: .string(reason.detail)),
    ])
  }
}
