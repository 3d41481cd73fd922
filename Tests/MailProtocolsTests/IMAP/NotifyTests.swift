import Testing

@testable import MailProtocols

@Suite("IMAP NOTIFY (RFC 5465)") struct NotifyTests {
  private func wire(_ change: (inout NotifyRequest) -> Void) throws -> String {
    var request = NotifyRequest()
    change(&request)
    return try Wire.output(.notify(request))
  }

  private static let selected = "(selected (MessageNew (UID FLAGS) MessageExpunge FlagChange))"

  @Test func `a request names mailboxes and events`() throws {
    #expect(
      try wire { _ in }
        == "A1 NOTIFY SET STATUS \(Self.selected) (personal (MessageNew MessageExpunge FlagChange "
        + "MailboxName SubscriptionChange))\r\n"
    )
    let some = try wire {
      $0.selected = nil
      $0.wantsStatus = false
      $0.others = .subtree([MailboxName("Lists"), MailboxName("Ä")])
      $0.events = [.messageNew, .messageExpunge]
    }
    #expect(some == "A1 NOTIFY SET (subtree (\"Lists\" \"&AMQ-\") (MessageNew MessageExpunge))\r\n")
    let none = try wire {
      $0.selected = .delayed
      $0.others = .inboxes
      $0.events = []
    }
    #expect(none.hasPrefix("A1 NOTIFY SET STATUS (selected-delayed (MessageNew"))
    #expect(none.hasSuffix("(inboxes NONE)\r\n"))
    #expect(try Wire.output(.notifyNone) == "A1 NOTIFY NONE\r\n")
  }

  @Test(arguments: [
    #"LIST () "/" "New" ("OLDNAME" ("Old"))"#, #"LIST () "/" "New" (OLDNAME (Old))"#,
    #"LIST () "/" New ("CHILDINFO" ("SUBSCRIBED") "OLDNAME" ("Old"))"#,
  ])
  func `a renamed mailbox has its old name`(wire: String) throws {
    var mailbox = ListedMailbox(name: MailboxName("New"), delimiter: 0x2F)
    mailbox.oldName = MailboxName("Old")
    #expect(try Wire.response(wire) == .list(mailbox))
  }

  @Test(arguments: [
    #"LIST () "/" "New" ("OLDNAME" ("#, #"LIST () "/" "New" rubbish"#, #"LIST () "/" "New" (((("#,
    #"LIST () "/" "New" ("CHILDINFO" ("SUBSCRIBED"))"#,
  ])
  func `what follows a name never spoils it`(wire: String) throws {
    let mailbox = ListedMailbox(name: MailboxName("New"), delimiter: 0x2F)
    #expect(try Wire.response(wire) == .list(mailbox))
  }
}
