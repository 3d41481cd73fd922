import Testing

@testable import MailProtocols

@Suite("IMAP4rev2 and UTF-8 (RFC 9051, RFC 6855)") struct Rev2Tests {
  private func session(_ capabilities: String, enabled: String? = nil) throws -> IMAPSession {
    var session = IMAPSession()
    let greeting = "* PREAUTH [CAPABILITY \(capabilities)] hi\r\n"
    _ = try Wire.events(Array(greeting.utf8), into: &session)
    guard let enabled else { return session }
    _ = session.send(.enable([IMAPCapability(rawValue: enabled)]))
    _ = session.takeOutput()
    _ = try Wire.events(Array("* ENABLED \(enabled)\r\nA1 OK\r\n".utf8), into: &session)
    return session
  }

  private func output(_ session: inout IMAPSession, _ command: IMAPCommand) -> String {
    _ = session.send(command)
    return text(session.takeOutput())
  }

  @Test func `rev2 alone, or enabled, implies what was extensions before`() throws {
    #expect(try session("IMAP4rev2").capabilities?.contains(.move) == true)
    #expect(try session("IMAP4rev1 IMAP4rev2").capabilities?.contains(.move) == false)
    let enabled = try session("IMAP4rev1 IMAP4rev2 ENABLE", enabled: "IMAP4rev2")
    #expect(enabled.capabilities?.contains(.listStatus) == true)
    #expect(enabled.capabilities?.contains(.condStore) == false)
    #expect(enabled.usesUTF8)
  }

  @Test func `a mailbox has one name, and the wire has the form that the connection speaks`() throws
  {
    let name = MailboxName("Entwürfe & mehr \"x\"")
    var old = try session("IMAP4rev1")
    #expect(output(&old, .create(name)) == #"A1 CREATE "Entw&APw-rfe &- mehr \"x\"""# + "\r\n")
    var new = try session("IMAP4rev1 ENABLE UTF8=ACCEPT", enabled: "UTF8=ACCEPT")
    #expect(output(&new, .create(name)) == #"A2 CREATE "Entwürfe & mehr \"x\"""# + "\r\n")
    var rev2 = try session("IMAP4rev2")
    #expect(output(&rev2, .create(name)) == #"A1 CREATE "Entwürfe & mehr \"x\"""# + "\r\n")
  }

  @Test(arguments: [
    (#"LIST () "/" "Entw&APw-rfe &- mehr""#, #"LIST () "/" "Entwürfe & mehr""#),
    (#"LSUB () "/" "&ZeVnLA-""#, #"LSUB () "/" 日本"#),
    (#"STATUS "&ZeVnLA-" (MESSAGES 3)"#, #"STATUS "日本" (MESSAGES 3)"#),
    (#"NAMESPACE (("&ZeVnLA-/" "/")) NIL NIL"#, #"NAMESPACE (("日本/" "/")) NIL NIL"#),
    (#"QUOTAROOT "&ZeVnLA-" """#, #"QUOTAROOT "日本" """#),
    (#"LIST () "/" INBOX"#, #"LIST () "/" inbox"#),
  ])
  func `names are read alike in both forms`(old: String, new: String) throws {
    var rev1 = try session("IMAP4rev1")
    var rev2 = try session("IMAP4rev2")
    #expect(
      try Wire.events(Array("* \(old)\r\n".utf8), into: &rev1)
        == Wire.events(Array("* \(new)\r\n".utf8), into: &rev2)
    )
  }

  @Test func `a name that no quotes can hold is a literal in both forms`() throws {
    let name = MailboxName(encoded: Array("a\r\nb".utf8))
    for capabilities in ["IMAP4rev1 LITERAL+", "IMAP4rev2"] {
      var session = try session(capabilities)
      #expect(output(&session, .create(name)) == "A1 CREATE {4+}\r\na\r\nb\r\n")
    }
  }

  @Test func `with UTF8=ACCEPT a search names no charset`() throws {
    var new = try session("IMAP4rev1 ENABLE UTF8=ACCEPT LITERAL+", enabled: "UTF8=ACCEPT")
    let search = IMAPCommand.search(.subject("ü"), extended: false)
    #expect(output(&new, search) == "A2 UID SEARCH SUBJECT {2+}\r\nü\r\n")
    var old = try session("IMAP4rev1 LITERAL+")
    #expect(output(&old, search) == "A1 UID SEARCH CHARSET UTF-8 SUBJECT {2+}\r\nü\r\n")
  }

  @Test func `APPEND marks a message with a header in UTF-8`() throws {
    let command = IMAPCommand.append(
      to: .inbox,
      flags: [],
      internalDate: nil,
      count: 9,
      hasUTF8Header: true
    )
    var session = try session("IMAP4rev1 LITERAL+")
    #expect(output(&session, command) == #"A1 APPEND "INBOX" UTF8 (~{9+}"# + "\r\n")
    #expect(try session.next() == .wantsLiteral(count: 9))
    session.literalSent()
    #expect(text(session.takeOutput()) == ")\r\n")
  }

  @Test func `LITERAL- ends at 4096 bytes, also where rev2 implies it`() throws {
    for (count, wire) in [(4096, "{4096+}\r\n"), (4097, "{4097}\r\n")] {
      var session = try session("IMAP4rev2")
      let command = IMAPCommand.append(to: .inbox, flags: [], internalDate: nil, count: count)
      #expect(output(&session, command) == #"A1 APPEND "INBOX" "# + wire)
    }
  }

  @Test func `what COMPRESS leaves unread can be taken once`() throws {
    var session = try session("IMAP4rev1 COMPRESS=DEFLATE")
    _ = session.send(.compress)
    session.receive(Array("A1 OK go\r\n".utf8) + [1, 2, 0x0A, 4])
    guard case .completed? = try session.next() else { return #expect(Bool(false)) }
    #expect(session.takeUnreadBytes() == [1, 2, 0x0A, 4])
    #expect(session.takeUnreadBytes().isEmpty && !session.hasUnreadBytes)
  }
}
