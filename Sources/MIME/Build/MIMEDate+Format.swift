import Bytes

extension MIMEDate {
  private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// The date-time of RFC 5322 §3.3, such as `Sun, 22 Nov 2026 10:00:00 +0100`.
  package var formatted: String {
    // The offset has two digits of hours; the year must have four.
    let zone = min(max(offset, -99 * 60), 99 * 60)
    let local = min(max(seconds, -62_135_596_800), 253_402_300_799 - 360_000) + Int64(zone) * 60
    let day = local >= 0 ? local / 86_400 : (local - 86_399) / 86_400
    let time = Int(local - day * 86_400)
    let (year, month, dayOfMonth) = Self.civil(day)
    let weekday = Self.days[Int(((day % 7) + 7) % 7)]
    let sign = zone < 0 ? "-" : "+"
    let clock = [time / 3600, time / 60 % 60, time % 60].map(Self.twoDigits).joined(separator: ":")
    let offsetText = Self.twoDigits(abs(zone) / 60) + Self.twoDigits(abs(zone) % 60)
    let yearText = String(repeating: "0", count: max(0, 4 - String(year).count)) + String(year)
    return
      "\(weekday), \(dayOfMonth) \(Self.months[month - 1]) \(yearText) \(clock) \(sign)\(offsetText)"
  }

  private static func twoDigits(_ number: Int) -> String {
    number < 10 ? "0\(number)" : String(number)
  }

  /// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
  private static func civil(_ dayNumber: Int64) -> (year: Int, month: Int, day: Int) {
    let shifted = dayNumber + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return (Int(year), Int(month), Int(day))
  }
}
