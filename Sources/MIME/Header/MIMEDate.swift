import Bytes

/// The value of a `Date` field (RFC 5322 §3.3): an instant, and the zone it was written in.
package struct MIMEDate: Hashable, Sendable {
  /// Seconds since 1970-01-01T00:00:00Z.
  package var seconds: Int64
  /// Minutes east of Greenwich.
  package var offset: Int

  /// A date of an instant and the zone it was written in.
  package init(seconds: Int64, offset: Int = 0) {
    self.seconds = seconds
    self.offset = offset
  }

  /// The date that a field body spells, in any of the forms that are met; nil where it spells none.
  ///
  /// Besides RFC 5322 and its obsolete forms: years of two and three digits, missing weekday,
  /// seconds, time or zone, zones by name, `asctime`, American and ISO 8601 order, month names in
  /// full, dashes and slashes, AM and PM, comments anywhere.
  package static func parse(_ bytes: Span<UInt8>) -> MIMEDate? {
    var scanner = DateScanner()
    var reader = ByteReader(bytes)
    let mostTokens = 64
    for _ in 0..<mostTokens {
      reader.skipCFWS()
      guard !reader.isAtEnd else { break }
      scanner.read(&reader)
    }
    return scanner.date
  }
}

/// The pieces of a date as they are found, in whatever order.
private struct DateScanner {
  private var year: Int?
  private var month: Int?
  private var day: Int?
  private var time: (hour: Int, minute: Int, second: Int)?
  private var offset: Int?
  /// Numbers parted by slashes or dashes, whose order is not known until all are seen.
  private var numeric: [Int] = []

  /// The date, if the pieces make one.
  var date: MIMEDate? {
    var (year, month, day) = (year, month, day)
    if month == nil, numeric.count == 2, let given = day {
      // `7/11/2020`: month first, as those who write slashes do, unless it can't be one.
      let isDayFirst = given > 12
      (month, day) = isDayFirst ? (numeric[0], given) : (given, numeric[0])
      year = numeric[1]
    }
    guard let year, let month, let day, (1...12).contains(month), (1...31).contains(day),
      (1...9999).contains(year)
    else { return nil }
    let (hour, minute, second) = time ?? (0, 0, 0)
    guard hour <= 24, minute < 60, second <= 60 else { return nil }
    let offset = offset ?? 0
    let days = Self.days(year: year, month: month, day: day)
    let seconds = days * 86_400 + Int64(hour * 3600 + minute * 60 + second - offset * 60)
    guard Timestamp.writableSeconds.contains(seconds) else { return nil }
    return MIMEDate(seconds: seconds, offset: offset)
  }

  mutating func read(_ reader: inout ByteReader) {
    guard let byte = reader.next else { return }
    if byte.isASCIIDigit {
      readNumber(&reader)
    } else if byte.isASCIILetter {
      readWord(&reader)
    } else if byte == 0x2B || byte == 0x2D, time != nil, reader.peek(1)?.isASCIIDigit == true {
      readOffset(&reader)
    } else {
      reader.skip(1)
    }
  }

  private mutating func readNumber(_ reader: inout ByteReader) {
    let start = reader.position
    guard let value = reader.number().flatMap({ Int(exactly: $0) }) else {
      _ = reader.take(while: \.isASCIIDigit)
      return
    }
    let digits = reader.position - start
    if time == nil, reader.colonFollows() {
      readTime(hour: value, &reader)
    } else if digits >= 3, year == nil, reader.next == 0x2D || reader.next == 0x2F, month == nil {
      year = Self.fullYear(value, digits: digits)
      readYearFirst(&reader)
    } else if day == nil, digits <= 2, value <= 31 || year != nil {
      day = value
      readNumericRest(&reader)
    } else if year == nil {
      year = Self.fullYear(value, digits: digits)
    }
  }

  /// `2020-11-22T10:11:12` from behind the year.
  private mutating func readYearFirst(_ reader: inout ByteReader) {
    reader.skip(1)
    guard let number = reader.number().flatMap({ Int(exactly: $0) }) else { return }
    month = number
    guard reader.consume(0x2D) || reader.consume(0x2F) else { return }
    day = reader.number().flatMap { Int(exactly: $0) }
    if reader.next == 0x54 || reader.next == 0x74 { reader.skip(1) }
  }

  /// `/11/2020` or `-11-2020` behind a first number; a month by name is left to `readWord`.
  private mutating func readNumericRest(_ reader: inout ByteReader) {
    guard let mark = reader.next, mark == 0x2F || mark == 0x2D || mark == 0x2E, month == nil,
      reader.peek(1)?.isASCIIDigit == true
    else { return }
    let start = reader.position
    reader.skip(1)
    guard let second = reader.number().flatMap({ Int(exactly: $0) }), reader.consume(mark) else {
      reader.seek(to: start + 1)
      return
    }
    let digitsStart = reader.position
    guard let third = reader.number().flatMap({ Int(exactly: $0) }) else { return }
    let year = Self.fullYear(third, digits: reader.position - digitsStart)
    // Dots are the continental order: the day comes first.
    if mark == 0x2E { (month, self.year) = (second, year) } else { numeric = [second, year] }
  }

  private mutating func readTime(hour: Int, _ reader: inout ByteReader) {
    reader.skip(1)
    reader.skipWhitespace()
    guard let minute = reader.number().flatMap({ Int(exactly: $0) }) else { return }
    var second = 0
    if reader.colonFollows() {
      reader.skip(1)
      reader.skipWhitespace()
      second = reader.number().flatMap { Int(exactly: $0) } ?? 0
      if reader.next == 0x2E || reader.next == 0x2C {
        reader.skip(1)
        _ = reader.take(while: \.isASCIIDigit)
      }
    }
    guard hour <= 24, minute < 100, second < 100 else {
      time = (25, 0, 0)
      return
    }
    time = (hour, minute, second)
  }

  /// `+0100`, `-05:00`, `+1`: hours and minutes; what is no zone counts as Greenwich.
  private mutating func readOffset(_ reader: inout ByteReader) {
    let sign = reader.next == 0x2D ? -1 : 1
    reader.skip(1)
    let digits = reader.take(while: \.isASCIIDigit)
    guard digits.count <= 4 else { return }
    var number = 0
    for index in digits { number = number * 10 + Int(reader.bytes[index] - 0x30) }
    // `12:00 12-Nov-2020`: a dash behind a time, yet before a year.
    if sign < 0, number > 1400, year == nil, day != nil, month != nil {
      year = number
      return
    }
    var hours = digits.count <= 2 ? number : number / 100
    var minutes = digits.count <= 2 ? 0 : number % 100
    if digits.count <= 2, reader.consume(0x3A) {
      minutes = reader.number().flatMap { Int(exactly: $0) } ?? 0
    }
    if hours > 24 || minutes > 59 { (hours, minutes) = (0, 0) }
    offset = sign * (hours * 60 + minutes)
  }

  private mutating func readWord(_ reader: inout ByteReader) {
    let word = String(lowercasing: reader.slice(reader.take(while: \.isASCIILetter)))
    if let index = Self.months.firstIndex(of: String(word.prefix(3))), month == nil {
      month = index + 1
      if reader.next == 0x2D { reader.skip(1) }
    } else if word == "am" || word == "pm" {
      guard let hour = time?.hour, (1...12).contains(hour) else { return }
      time?.hour = hour % 12 + (word == "pm" ? 12 : 0)
    } else if time != nil, offset == nil, let hours = DateZones.offsets[word] {
      offset = hours
    }
  }

  private static let months = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
  ]

  /// RFC 5322 §4.3: two digits are 1950 to 2049, three count from 1900.
  private static func fullYear(_ value: Int, digits: Int) -> Int {
    switch digits {
    case ...2: value < 50 ? value + 2000 : value + 1900
    case 3: value + 1900
    default: value
    }
  }

  /// Days since 1970-01-01 of a date of the Gregorian calendar.
  ///
  /// Counted from March on, so that the leap day is the last of its year.
  private static func days(year: Int, month: Int, day: Int) -> Int64 {
    let shifted = month <= 2 ? year - 1 : year
    let era = shifted / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return Int64(era * 146_097 + dayOfEra - 719_468)
  }
}

extension ByteReader {
  /// Goes to the colon that comes next, perhaps behind blanks (RFC 5322 §4.3); false where none does.
  fileprivate mutating func colonFollows() -> Bool {
    let start = position
    skipWhitespace()
    if next == 0x3A { return true }
    seek(to: start)
    return false
  }
}
