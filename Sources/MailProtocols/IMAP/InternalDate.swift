import Bytes

/// When the server received a message (RFC 3501 §2.3.3).
///
///     S: * 12 FETCH (INTERNALDATE "17-Jul-1996 02:44:25 -0700")
package struct InternalDate: Hashable, Sendable {
  /// Seconds since 1970-01-01 00:00 UTC.
  package var secondsSince1970: Int64
  /// The zone it was written in, in minutes east of UTC.
  package var offsetMinutes: Int

  /// The instant, written in the zone given.
  package init(secondsSince1970: Int64, offsetMinutes: Int = 0) {
    self.secondsSince1970 = secondsSince1970
    self.offsetMinutes = offsetMinutes
  }

  private static let months: [StaticString] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
  ]
  private static let monthNames = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// The date that `bytes`, the inside of the quotes, spell; nil where they spell none.
  package init?(_ bytes: Span<UInt8>) {
    var reader = ByteReader(bytes)
    reader.skipBlanks()
    guard let day = reader.number(), reader.consume(0x2D),
      let month = Self.months.firstIndex(where: { reader.consume(ignoringCase: $0) }),
      reader.consume(0x2D), let year = reader.number(), (1...31).contains(day), year < 10_000
    else { return nil }
    reader.skipBlanks()
    guard let hour = reader.number(), reader.consume(0x3A), let minute = reader.number(),
      reader.consume(0x3A), let second = reader.number(), hour < 24, minute < 60, second < 61
    else { return nil }
    reader.skipBlanks()
    let isWest = reader.next == 0x2D
    if isWest || reader.next == 0x2B { reader.skip(1) }
    guard let zone = Int(exactly: reader.number() ?? 0), zone < 10_000 else { return nil }
    let offset = (zone / 100 * 60 + zone % 100) * (isWest ? -1 : 1)
    let days = Self.days(year: Int64(year), month: Int64(month) + 1, day: Int64(day))
    let seconds =
      days * 86_400 + Int64(hour) * 3600 + Int64(minute) * 60 + Int64(second) - Int64(offset) * 60
    guard Timestamp.writableSeconds.contains(seconds) else { return nil }
    secondsSince1970 = seconds
    offsetMinutes = offset
  }

  /// Days from 1970-01-01 in the proleptic Gregorian calendar; the year starts in March here.
  private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
    let shifted = month <= 2 ? year - 1 : year
    let era = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  /// Year, month from 1 and day of a number of days since 1970-01-01.
  private static func civil(days: Int64) -> (year: Int64, month: Int, day: Int) {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth + (shiftedMonth < 10 ? 3 : -9)
    return (
      yearOfEra + era * 400 + (month <= 2 ? 1 : 0), Int(month),
      Int(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    )
  }

  /// Appends `date-day "-" date-month "-" date-year`, in UTC, as SEARCH takes it.
  func writeDay(to output: inout [UInt8]) {
    write(days: Self.floor(secondsSince1970, 86_400), padding: 0, to: &output)
  }

  /// Appends `date-time` with its quotes, as APPEND takes it.
  func write(to output: inout [UInt8]) {
    let local = secondsSince1970 + Int64(offsetMinutes) * 60
    let days = Self.floor(local, 86_400)
    let second = Int(local - days * 86_400)
    output.append(.quote)
    write(days: days, padding: .space, to: &output)
    for (value, sign) in [
      (second / 3600, UInt8.space), (second / 60 % 60, 0x3A), (second % 60, 0x3A),
    ] {
      output.append(sign)
      Self.twoDigits(value, to: &output)
    }
    output.append(.space)
    output.append(offsetMinutes < 0 ? 0x2D : 0x2B)
    Self.twoDigits(abs(offsetMinutes) / 60 % 100, to: &output)
    Self.twoDigits(abs(offsetMinutes) % 60, to: &output)
    output.append(.quote)
  }

  private func write(days: Int64, padding: UInt8, to output: inout [UInt8]) {
    let (year, month, day) = Self.civil(days: days)
    if day < 10, padding != 0 { output.append(padding) }
    output.append(decimal: day)
    output.append(0x2D)
    output.append(text: Self.monthNames[month - 1])
    output.append(0x2D)
    let digits = String(min(max(year, 0), 9999))
    output.append(text: String(repeating: "0", count: 4 - digits.utf8.count) + digits)
  }

  private static func twoDigits(_ value: Int, to output: inout [UInt8]) {
    output.append(0x30 + UInt8(value / 10))
    output.append(0x30 + UInt8(value % 10))
  }

  private static func floor(_ value: Int64, _ unit: Int64) -> Int64 {
    value >= 0 ? value / unit : (value - unit + 1) / unit
  }
}
