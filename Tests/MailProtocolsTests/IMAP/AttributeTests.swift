import Testing

@testable import MailProtocols

@Suite("What some IMAP servers tell beside") struct AttributeTests {
  @Test func `object ids are read (RFC 8474)`() throws {
    let message = try Wire.message("UID 4 EMAILID (M6d99ac3275bb4e) THREADID (T64b478a75b7ea9)")
    #expect(message.emailID == "M6d99ac3275bb4e" && message.threadID == "T64b478a75b7ea9")
    #expect(try Wire.message("UID 4 THREADID NIL").threadID == nil)
  }

  @Test func `Gmail's ids and labels are read`() throws {
    let message = try Wire.message(
      #"UID 4 X-GM-THRID 1266894439832287888 X-GM-MSGID 1278455344230334865 X-GM-LABELS "#
        + #"(\Inbox "\\Important" "Muy Importante" foo&AOQ- \#(Wire.literal("a (b)")))"#
    )
    #expect(message.threadID == "1266894439832287888")
    #expect(message.emailID == "1278455344230334865")
    #expect(message.labels == ["\\Inbox", "\\Important", "Muy Importante", "fooä", "a (b)"])
    #expect(try Wire.message("UID 4 X-GM-LABELS ()").labels == [])
    #expect(try Wire.message("UID 4 X-GM-LABELS NIL").labels == [])
    #expect(try Wire.message("UID 4 X-GM-LABELS (a").malformedItems == [.rest])
  }

  @Test func `save dates are read (RFC 8514)`() throws {
    let message = try Wire.message(#"UID 4 SAVEDATE "17-Jul-1996 02:44:25 -0700""#)
    #expect(message.saveDate?.secondsSince1970 == 837_596_665)
    for value in ["NIL", #""never""#] {
      let message = try Wire.message("UID 4 SAVEDATE \(value) FLAGS ()")
      #expect(message.saveDate == nil && message.flags == [])
    }
  }

  @Test(arguments: [
    #""Hello ✓""#, Wire.literal("Hello ✓"), #"(FUZZY "Hello ✓")"#,
    "(FUZZY \(Wire.literal("Hello ✓")))",
  ])
  func `previews are read (RFC 8970)`(value: String) throws {
    let message = try Wire.message("UID 4 PREVIEW \(value) FLAGS ()")
    #expect(message.preview.map(text) == "Hello ✓")
    #expect(message.flags == [])
  }

  @Test(arguments: ["NIL", "(FUZZY NIL)", "(FUZZY)"])
  func `a message may have no preview`(value: String) throws {
    let message = try Wire.message("UID 4 PREVIEW \(value) FLAGS ()")
    #expect(message.preview == nil && message.flags == [])
  }

  @Test func `decoded parts are read (RFC 3516)`() throws {
    let message = try Wire.message("UID 4 BINARY[1.2] ~{3}\r\na\0b BINARY.SIZE[1.2] 3")
    #expect(message.sections.first?.content == .bytes([0x61, 0, 0x62]))
    #expect(message.sections.first?.isBinary == true)
  }

  @Test func `quotas are read (RFC 9208)`() throws {
    let wire = #"QUOTA "User quota" (STORAGE 10 512 MESSAGE 3 1000)"#
    guard case .quota(let quota) = try Wire.response(wire) else { return #expect(Bool(false)) }
    #expect(quota.root == "User quota")
    #expect(quota.storage?.usage == 10240 && quota.storage?.limit == 524_288)
    #expect(quota.resources.last == .init(name: "MESSAGE", usage: 3, limit: 1000))
    #expect(try Wire.response(#"QUOTA "" ()"#) == .quota(Quota(root: "")))
    #expect(try Wire.response(#"QUOTA """#) == .quota(Quota(root: "")))
    #expect(
      try Wire.response(#"QUOTAROOT INBOX "User quota" """#)
        == .quotaRoots(.inbox, ["User quota", ""])
    )
    #expect(try Wire.response("QUOTAROOT INBOX") == .quotaRoots(.inbox, []))
    #expect(try Wire.output(.quotas(of: .inbox)) == "A1 GETQUOTAROOT \"INBOX\"\r\n")
  }

  @Test func `a quota without an end is bounded`() throws {
    let great = Quota(
      root: "",
      resources: [.init(name: "STORAGE", usage: .max, limit: .max)]
    )
    #expect(great.storage?.limit == .max)
    #expect(throws: Wire.WireError.self) { try Wire.response(#"QUOTA "" (STORAGE 1"#) }
  }

  @Test func `limits of APPEND are read (RFC 7889)`() throws {
    #expect(IMAPCapabilities(["APPENDLIMIT=257890"]).appendLimit == 257_890)
    #expect(IMAPCapabilities(["APPENDLIMIT"]).appendLimit == nil)
    #expect(IMAPCapabilities(["APPENDLIMIT="]).appendLimit == nil)
    guard case .status(_, let status) = try Wire.response("STATUS x (APPENDLIMIT 9 DELETED 2)")
    else { return #expect(Bool(false)) }
    #expect(status.appendLimit == 9 && status.deleted == 2)
  }
}
