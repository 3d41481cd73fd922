import Bytes

/// The time format of HTTP (RFC 9110 §5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
package enum HTTPDate {
  /// A time, counted in seconds since 1970, as an IMF-fixdate; for the years 0 to 9999.
  package static func format(_ seconds: Int64) -> [UInt8] {
    let days = Int((Double(seconds) / 86_400).rounded(.down))
    let clock = Int(seconds - Int64(days) * 86_400)
    let date = civilDate(days)
    var output: [UInt8] = []
    output.reserveCapacity(29)
    append(name: weekdays, at: ((days % 7) + 11) % 7, to: &output)
    output.append(", ")
    append(date.day, to: &output)
    output.append(.space)
    append(name: months, at: date.month - 1, to: &output)
    output.append(.space)
    append(date.year / 100, to: &output)
    append(date.year % 100, to: &output)
    output.append(.space)
    append(clock / 3600, to: &output)
    output.append(0x3A)
    append(clock / 60 % 60, to: &output)
    output.append(0x3A)
    append(clock % 60, to: &output)
    output.append(" GMT")
    return output
  }

  private static let weekdays = Array("SunMonTueWedThuFriSat".utf8)
  private static let months = Array("JanFebMarAprMayJunJulAugSepOctNovDec".utf8)

  private static func append(name names: [UInt8], at index: Int, to output: inout [UInt8]) {
    output.append(contentsOf: names[(3 * index)..<(3 * index + 3)])
  }

  private static func append(_ number: Int, to output: inout [UInt8]) {
    output.append(0x30 + UInt8(number / 10 % 10))
    output.append(0x30 + UInt8(number % 10))
  }

  /// The Gregorian date of a day counted from 1 January 1970, by way of a year that begins in March.
  private static func civilDate(_ days: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = days + 719_468  // Days since 1 March of the year 0.
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return (year, month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
  }
}
