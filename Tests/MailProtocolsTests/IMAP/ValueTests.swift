import Bytes
import Testing

@testable import MailProtocols

@Suite("IMAP mailbox names (RFC 3501 §5.1.3)") struct MailboxNameTests {
  @Test(arguments: [
    ("INBOX", "INBOX"), ("Entwürfe", "Entw&APw-rfe"), ("a&b", "a&-b"), ("&", "&-"),
    ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"), ("😀", "&2D3eAA-"),
    ("Ж", "&BBY-"), ("a\u{7}b", "a&AAc-b"), ("", ""),
  ]) func `a name has one wire form, and the wire form that name`(name: String, wire: String) {
    #expect(text(MailboxName(name).encoded) == wire)
    #expect(MailboxName(encoded: Array(wire.utf8)).decoded == name)
  }

  @Test(arguments: ["&", "&APw", "&AP-", "&!!-", "x&2D0-y", "Entwürfe", "&AAAAAA"])
  func `what is no modified UTF-7 is shown as it stands and kept`(wire: String) {
    let name = MailboxName(encoded: Array(wire.utf8))
    #expect(name.decoded == wire)
    #expect(text(name.encoded) == wire)
  }

  @Test func `bytes that are no UTF-8 either are shown with replacements`() {
    let name = MailboxName(encoded: [0x61, 0xFF])
    #expect(name.decoded == "a\u{FFFD}")
    #expect(name.encoded == [0x61, 0xFF])
  }

  @Test func `INBOX is one mailbox in any case`() {
    #expect(MailboxName("inbox") == .inbox)
    #expect(MailboxName("Inbox2") != MailboxName("inbox2"))
  }
}

@Suite("IMAP UID sets") struct UIDSetTests {
  @Test(arguments: [
    ("1", "1"), ("1:5,9", "1:5,9"), ("5:1", "1:5"), ("9,1:5", "1:5,9"), ("1:3,4", "1:4"),
    ("12:*", "12:*"), ("*:12", "12:*"), ("1,1,1", "1"), ("10,1:20", "1:20"),
  ]) func `a set is written in its shortest form`(wire: String, expected: String) throws {
    let bytes = Array(wire.utf8)
    var reader = ByteReader(bytes.span)
    #expect(try reader.requireUIDSet().description == expected)
  }

  @Test func `a set knows what it holds`() {
    let set = UIDSet([3, 1, 2, 9])
    #expect(set.count == 4)
    #expect([1, 3, 9].allSatisfy { set.contains($0) })
    #expect([0, 4, 8, 10].allSatisfy { !set.contains($0) })
    #expect(Array(set.uids) == [1, 2, 3, 9])
    #expect(set.bounds == 1...9)
    #expect(UIDSet.all.contains(UID(.max)))
    #expect(UIDSet().bounds == nil)
  }

  @Test func `chunks hold every UID once, newest first if asked`() {
    let set = UIDSet([1, 2, 3, 4, 5, 8, 9])
    #expect(set.chunks(of: 3).map(\.description) == ["1:3", "4:5,8", "9"])
    #expect(set.chunks(of: 3, newestFirst: true).map(\.description) == ["5,8:9", "2:4", "1"])
    #expect(set.split(after: 3).0.description == "1:3")
    #expect(set.split(after: 3, newestFirst: true).0.description == "5,8:9")
    #expect(set.split(after: 3, newestFirst: true).1.description == "1:4")
    #expect(UIDSet.all.chunks(of: 1 << 31).count == 2)
    #expect(UIDSet().chunks(of: 3).isEmpty)
  }
}

@Suite("IMAP flags") struct FlagTests {
  @Test func `case does not matter`() {
    #expect(Flag("\\SEEN") == .seen)
    #expect(Flag("$junk") == .junk)
    #expect(Set([Flag("abc"), Flag("ABC")]).count == 1)
    #expect(Flag("abc") != Flag("abd"))
  }

  @Test(arguments: ["", "\\", "a b", "a)", "{", "é", "a\r\nb", "\\*", "a\\b", "\"", "%"])
  func `what is no atom cannot be sent as a flag`(name: String) {
    #expect(Flag(name) == nil)
  }
}

@Suite("IMAP dates") struct InternalDateTests {
  @Test(
    arguments: [
      ("17-Jul-1996 02:44:25 -0700", 837_596_665, -420),
      (" 1-jan-1970 00:00:00 +0000", 0, 0),
      ("29-Feb-2024 23:59:59 +0530", 1_709_231_399, 330),
      ("31-Dec-1969 23:59:59 +0000", -1, 0),
      ("01-Jan-2000 00:00:00", 946_684_800, 0),
    ] as [(String, Int64, Int)]
  )
  func `a date is an instant and a zone`(wire: String, seconds: Int64, offset: Int) {
    let bytes = Array(wire.utf8)
    let date = InternalDate(bytes.span)
    #expect(date == InternalDate(secondsSince1970: seconds, offsetMinutes: offset))
  }

  @Test(
    arguments: [
      (837_596_665, -420, "\"17-Jul-1996 02:44:25 -0700\""),
      (0, 0, "\" 1-Jan-1970 00:00:00 +0000\""),
      (1_709_231_399, 330, "\"29-Feb-2024 23:59:59 +0530\""),
      (-1, 0, "\"31-Dec-1969 23:59:59 +0000\""),
    ] as [(Int64, Int, String)]
  )
  func `a date is written as APPEND takes it`(seconds: Int64, offset: Int, wire: String) {
    var output: [UInt8] = []
    InternalDate(secondsSince1970: seconds, offsetMinutes: offset).write(to: &output)
    #expect(text(output) == wire)
  }

  @Test(arguments: [
    "", "x", "32-Jan-2000 00:00:00 +0000", "1-Foo-2000 00:00:00 +0000", "1-Jan-2000",
    "1-Jan-2000 25:00:00 +0000", "1-Jan-99999999999 00:00:00 +0000",
    "99999999999999999999-Jan-2000 00:00:00 +0000", "1-Jan-2000 00:00:00 +10000",
    "1-Jan-2000 00:00:00 +18446744073709551615", "31-Dec-9999 23:59:59 -1200",
    "31-Dec-0000 23:59:59 +0000",
  ]) func `what is no date is nil`(wire: String) {
    let bytes = Array(wire.utf8)
    let date = InternalDate(bytes.span)
    #expect(date == nil)
  }
}
