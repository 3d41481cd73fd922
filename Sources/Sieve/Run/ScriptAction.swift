/// How a message is put into a mailbox.
package struct ScriptDelivery: Hashable, Sendable {
  /// The flags that the message gets, in the order they were set, each once.
  package var flags: [String] = []
  /// Whether a mailbox that is missing is made first.
  package var createsMailbox = false
  /// The special use of the mailbox; the name counts where no mailbox has it.
  package var specialUse: String?
  /// The object id of the mailbox; the name counts where no mailbox has it.
  package var mailboxID: String?
  /// The message as the script changed it; nil where it did not.
  package var message: [UInt8]?

  /// A delivery of the message as it came, without flags.
  package init() {}
}

/// A message that goes on to another address (RFC 5228 §4.2).
package struct ScriptRedirect: Hashable, Sendable {
  /// The address, or with `isList` the name of a list of them (RFC 6134 §2.5).
  package var address: String
  /// Whether the address names a list.
  package var isList = false
  /// The NOTIFY parameter of the envelope (RFC 3461 §4.1).
  package var dsnNotify: String?
  /// The RET parameter of the envelope (RFC 3461 §4.3).
  package var dsnReturn: String?
  /// The message as the script changed it; nil where it did not.
  package var message: [UInt8]?

  /// A redirection of the message as it came.
  package init(address: String) { self.address = address }
}

/// A notification (RFC 5435 §3).
package struct ScriptNotification: Hashable, Sendable {
  /// The URI of the method and where it goes.
  package var method: String
  /// Who notifies; nil where the script does not say.
  package var from: String?
  /// 1 for urgent, 2 for normal, 3 for low.
  package var importance = 2
  /// Options of the method, `name=value` each.
  package var options: [String] = []
  /// The text; nil for one that the method makes.
  package var message: String?
  /// Where a copy is filed.
  package var fcc: ScriptFiledCopy?
  /// Those of its recipients whom the run has notified already, and who are not told again.
  package var toldBefore: [String] = []
}

extension ScriptNotification {
  /// A notification by a method, of normal importance.
  package init(method: String, message: String?) {
    self.init(method: method)
    self.message = message
  }
}

/// A copy of a message that a script sends, filed by RFC 8580.
package struct ScriptFiledCopy: Hashable, Sendable {
  /// The mailbox.
  package var mailbox: String
  /// How it is filed.
  package var delivery: ScriptDelivery
}

/// What a script wants to be done with a message, in the order it said so.
package enum ScriptAction: Hashable, Sendable {
  /// The message goes where new mail goes.
  case keep(ScriptDelivery)
  case fileInto(mailbox: String, ScriptDelivery)
  /// The message goes nowhere, unless another action keeps it.
  case discard
  case redirect(ScriptRedirect)
  /// The message is refused with a text (RFC 5429); `isDuringDelivery` is `ereject`.
  case reject(reason: String, isDuringDelivery: Bool)
  case vacation(ScriptVacation)
  case notify(ScriptNotification)
}
