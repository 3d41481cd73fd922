/// An instant in microseconds since 1970, UTC: what PostgreSQL keeps and the API writes (RFC 3339).
package struct Timestamp: Hashable, Comparable, Sendable {
  /// Microseconds since 1970-01-01T00:00:00Z.
  package var microseconds: Int64

  @inlinable
  package init(microseconds: Int64) { self.microseconds = microseconds }

  /// The instant `seconds` after 1970 began.
  package init(seconds: Int64) {
    let (product, overflowed) = seconds.multipliedReportingOverflow(by: 1_000_000)
    microseconds = overflowed ? (seconds < 0 ? .min : .max) : product
  }

  /// The seconds since 1970 of the years 0001 to 9999 in UTC: what RFC 3339 can write.
  ///
  /// A date of the last hours of 9999, or of the first of 0001, may leave them by its zone.
  package static let writableSeconds: ClosedRange<Int64> = -62_135_596_800...253_402_300_799

  /// Whole seconds since 1970, rounded down.
  package var seconds: Int64 {
    let (quotient, remainder) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
    return remainder < 0 ? quotient - 1 : quotient
  }

  package static func < (left: Timestamp, right: Timestamp) -> Bool {
    left.microseconds < right.microseconds
  }

  /// The instant that an RFC 3339 text (`2026-11-22T10:00:00Z`, with any offset) names; nil for any other text.
  package init?(rfc3339 text: Span<UInt8>) {
    var reader = ByteReader(text)
    guard let year = reader.digits(4), reader.consume(0x2D), let month = reader.digits(2),
      reader.consume(0x2D), let day = reader.digits(2), (1...12).contains(month), day >= 1,
      day <= Self.days(in: month, of: year)
    else { return nil }
    guard reader.byte().map({ $0 == 0x54 || $0 == 0x74 || $0 == 0x20 }) == true,
      let hour = reader.digits(2), reader.consume(0x3A), let minute = reader.digits(2),
      reader.consume(0x3A), let second = reader.digits(2), hour < 24, minute < 60, second < 61
    else { return nil }
    var fraction: Int64 = 0
    if reader.consume(0x2E) {
      let range = reader.take { $0.isASCIIDigit }
      guard !range.isEmpty else { return nil }
      for place in 0..<6 {
        let digit = place < range.count ? reader.bytes[range.lowerBound + place] - 0x30 : 0
        fraction = fraction * 10 + Int64(digit)
      }
    }
    guard let offset = reader.rfc3339Offset(), reader.isAtEnd else { return nil }
    let dayNumber = Self.dayNumber(year: year, month: month, day: day)
    let seconds = dayNumber * 86_400 + hour * 3600 + minute * 60 + second - offset
    guard Self.writableSeconds.contains(seconds) else { return nil }
    microseconds = seconds * 1_000_000 + fraction
  }

  /// Days since 1970-01-01 in the proleptic Gregorian calendar.
  package static func dayNumber(year: Int64, month: Int64, day: Int64) -> Int64 {
    let shifted = month > 2 ? year : year - 1
    let era = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  /// How many days the month has.
  package static func days(in month: Int64, of year: Int64) -> Int64 {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }
}

extension ByteReader {
  fileprivate mutating func digits(_ count: Int) -> Int64? {
    guard remaining >= count else { return nil }
    var value: Int64 = 0
    for offset in 0..<count {
      guard let digit = peek(offset), digit.isASCIIDigit else { return nil }
      value = value * 10 + Int64(digit - 0x30)
    }
    skip(count)
    return value
  }

  /// `Z`, or `+hh:mm`, in seconds east of UTC.
  fileprivate mutating func rfc3339Offset() -> Int64? {
    switch byte() {
    case 0x5A, 0x7A: return 0
    case .some(let sign) where sign == 0x2B || sign == 0x2D:
      guard let hours = digits(2), consume(0x3A), let minutes = digits(2), hours < 24,
        minutes < 60
      else { return nil }
      return (hours * 3600 + minutes * 60) * (sign == 0x2D ? -1 : 1)
    default: return nil
    }
  }
}

extension [UInt8] {
  /// Appends `time` as RFC 3339 in UTC, with a fraction only where there is one.
  package mutating func append(rfc3339 time: Timestamp) {
    let seconds = time.seconds
    let days = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
    let second = seconds - days * 86_400
    let era = (days + 719_468 >= 0 ? days + 719_468 : days + 719_468 - 146_096) / 146_097
    let dayOfEra = days + 719_468 - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthIndex = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * monthIndex + 2) / 5 + 1
    let month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    append(padded: year, 4)
    append(0x2D)
    append(padded: month, 2)
    append(0x2D)
    append(padded: day, 2)
    append(0x54)
    append(padded: second / 3600, 2)
    append(0x3A)
    append(padded: second / 60 % 60, 2)
    append(0x3A)
    append(padded: second % 60, 2)
    let fraction = time.microseconds - seconds * 1_000_000
    if fraction != 0 {
      append(0x2E)
      append(padded: fraction, 6)
      while last == 0x30 { removeLast() }
    }
    append(0x5A)
  }

  /// Appends a number that is not negative with leading zeros.
  private mutating func append(padded number: Int64, _ width: Int) {
    var divisor: Int64 = 1
    for _ in 1..<width { divisor *= 10 }
    if number >= divisor * 10 { return append(decimal: number) }
    while divisor > 0 {
      append(UInt8(truncatingIfNeeded: number / divisor % 10) + 0x30)
      divisor /= 10
    }
  }
}
