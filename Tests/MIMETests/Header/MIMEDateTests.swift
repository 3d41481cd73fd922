import MIME
import Testing

@Suite("Dates (RFC 5322 §3.3, §4.3)")
struct MIMEDateTests {
  /// 2020-11-22T10:11:12Z.
  private static let instant: Int64 = 1_606_039_872

  private static let sameInstant: [Fixture<Int>] = [
    .init("Sun, 22 Nov 2020 10:11:12 +0000", 0),
    .init(" Sun, 22 Nov 2020 11:11:12 +0100 (CET)", 60),
    .init("22 Nov 2020 05:11:12 -0500", -300),
    .init("Sun,22 Nov 2020 10:11:12 GMT", 0),
    .init("Sun, 22 Nov 20 10:11:12 UT", 0),
    .init("Sun, 22 Nov 120 10:11:12 Z", 0),
    .init("Sun, 22 Nov 2020 05:11:12 EST", -300),
    .init("Sun, 22 Nov 2020 02:11:12 PST", -480),
    .init("Sun, 22 Nov 2020 10:11:12", 0),
    .init("Sun Nov 22 10:11:12 2020", 0),
    .init("Sun Nov 22 11:11:12 +0100 2020", 60),
    .init("Sunday, 22-Nov-20 10:11:12 GMT", 0),
    .init("22-Nov-2020 10:11:12 +0000", 0),
    .init("November 22, 2020 10:11:12 AM", 0),
    .init("Sun, 22 (day) Nov (month) 2020 (year) 10:11:12 (time) +0000", 0),
    .init("Sun,\r\n 22 Nov 2020\r\n 10 : 11 : 12 +0000", 0),
    .init("2020-11-22T10:11:12Z", 0),
    .init("2020-11-22T11:11:12+01:00", 60),
    .init("2020-11-22 10:11:12.345 +0000", 0),
    .init("2020/11/22 10:11:12", 0),
    .init("11/22/2020 10:11:12", 0),
    .init("22/11/2020 10:11:12", 0),
    .init("22.11.2020 10:11:12", 0),
    .init("Sun, 22 Nov 2020 10:11:12 GMT+0000", 0),
    .init("Sun, 22 Nov 2020 10:11:12 +9999", 0),
    .init("Sun, 22 Nov 2020 10:11:12 XYZ", 0),
    .init("Tue, 22 Nov 2020 15:41:12 +0530", 330),
    .init("10:11:12 22 Nov 2020", 0),
    .init("2020 Nov 22 10:11:12", 0),
    .init("SUN, 22 NOV 2020 10:11:12 +0", 0),
  ]

  @Test(arguments: sameInstant)
  func `every form spells the same instant`(_ fixture: Fixture<Int>) {
    let date = MIMEDate.parse(fixture.wire.span)
    #expect(date?.seconds == Self.instant)
    #expect(date?.offset == fixture.value)
  }

  private static let others: [Fixture<Int64>] = [
    .init("22 Nov 2020 10:11 +0000", 1_606_039_860),
    .init("22 Nov 2020", 1_606_003_200),
    .init("1 Jan 1970 00:00:00 +0000", 0),
    .init("31 Dec 69 23:59:59 +0000", -1),
    .init("29 Feb 2000 00:00:00 +0000", 951_782_400),
    .init("31 Dec 2016 23:59:60 +0000", 1_483_228_800),
    .init("1 Mar 1900 12:00:00 PM", -2_203_848_000),
    .init("Fri, 31 Dec 9999 23:59:59 +0000", 253_402_300_799),
    .init("Fri, 31 Dec 9999 23:59:59 +1200", 253_402_257_599),
    .init("1 Jan 0001 00:00:00 +0000", -62_135_596_800),
  ]

  @Test(arguments: others)
  func `other dates spell these instants`(_ fixture: Fixture<Int64>) {
    #expect(MIMEDate.parse(fixture.wire.span)?.seconds == fixture.value)
  }

  @Test(arguments: [
    "", "never", "Sun", "22 Foo 2020", "2020", "99 Nov", "22 Nov 2020 99:11:12", "(22 Nov 2020",
    "2020-13-01", "99999999999999999999 Nov 2020", "00 Nov 2020", "-", "10:11:12", "\0\0",
    "Fri, 31 Dec 9999 23:59:59 -1200", "31 Dec 9999 23:59:60 +0000", "1 Jan 0001 00:00:00 +0001",
  ])
  func `what is no date is none`(_ text: String) {
    let bytes = [UInt8](text.utf8)
    #expect(MIMEDate.parse(bytes.span) == nil)
  }
}
