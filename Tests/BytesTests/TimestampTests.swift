import Bytes
import Testing

@Suite("Timestamps (RFC 3339)") struct TimestampTests {
  private func parse(_ text: String) -> Timestamp? {
    Timestamp(rfc3339: [UInt8](text.utf8).span)
  }

  private func write(_ time: Timestamp) -> String {
    var bytes: [UInt8] = []
    bytes.append(rfc3339: time)
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test(arguments: [
    ("1970-01-01T00:00:00Z", 0 as Int64), ("2026-11-22T10:00:00Z", 1_795_341_600_000_000),
    ("1969-12-31T23:59:59.5Z", -500_000), ("2000-02-29T12:00:00.000001Z", 951_825_600_000_001),
    ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
    ("9999-12-31T23:59:59Z", 253_402_300_799_000_000),
  ])
  func `a time in UTC is read and written the same`(_ text: String, _ microseconds: Int64) {
    #expect(parse(text)?.microseconds == microseconds)
    #expect(write(Timestamp(microseconds: microseconds)) == text)
  }

  @Test(arguments: [
    ("2026-11-22T12:00:00+02:00", "2026-11-22T10:00:00Z"),
    ("2026-11-22t05:30:00-04:30", "2026-11-22T10:00:00Z"),
    ("2026-11-22 10:00:00.10z", "2026-11-22T10:00:00.1Z"),
    ("2026-11-22T10:00:00.1234567Z", "2026-11-22T10:00:00.123456Z"),
  ])
  func `other ways to write a time are understood`(_ text: String, _ normal: String) {
    #expect(parse(text).map(write) == normal)
  }

  @Test(arguments: [
    "", "2026-11-22", "2026-11-22T10:00:00", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
    "2026-02-29T00:00:00Z", "2026-01-00T00:00:00Z", "2026-11-22T24:00:00Z", "2026-11-22T10:60:00Z",
    "2026-11-22T10:00:00.Z", "2026-11-22T10:00:00+2:00", "2026-11-22T10:00:00Zx",
    "26-11-22T10:00:00Z", "2026-11-22T10:00:00+24:00", "２026-11-22T10:00:00Z",
    "9999-12-31T23:59:59-12:00", "9999-12-31T23:59:60Z", "0001-01-01T00:00:00+00:01",
    "0000-12-31T23:59:59Z",
  ])
  func `a text that is no time is refused`(_ text: String) {
    #expect(parse(text) == nil)
  }

  @Test func `every day of four centuries survives`() {
    for day in stride(from: -100_000 as Int64, to: 100_000, by: 13) {
      let time = Timestamp(seconds: day * 86_400 + 45_296)
      #expect(parse(write(time)) == time)
    }
  }
}
