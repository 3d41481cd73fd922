import Bytes
import MIME

/// `date` and `currentdate` (RFC 5260 §4, §5).
extension ScriptExtension {
  static let date = ScriptExtension("date") { capability in
    capability.tests = [
      TestDefinition(
        name: "date",
        parameters: [.string, .string, .strings],
        tags: [
          TagDefinition("zone", .string, group: "zone"),
          TagDefinition("originalzone", group: "zone"),
        ],
        families: [.comparator, .matchType, .field]
      ) { arguments, compiler throws(Fault) in
        let fields = try FieldSelection(arguments, names: arguments.positional[0], compiler)
        let test = try DateTest(
          arguments,
          part: arguments.positional[1],
          keys: arguments.positional[2],
          compiler
        )
        return Condition { run throws(RunStop) in
          try test.evaluate(run, try DateTest.date(of: fields, run))
        }
      },
      TestDefinition(
        name: "currentdate",
        parameters: [.string, .strings],
        tags: [TagDefinition("zone", .string, group: "zone")],
        families: [.comparator, .matchType]
      ) { arguments, compiler throws(Fault) in
        let test = try DateTest(
          arguments,
          part: arguments.positional[0],
          keys: arguments.positional[1],
          compiler
        )
        return Condition { run throws(RunStop) in
          let now = try run.number(.now) ?? 0
          return try test.evaluate(run, MIMEDate(seconds: now))
        }
      },
    ]
  }
}

/// What both tests have in common: a zone, a part of the date, and what it is compared with.
private struct DateTest: Sendable {
  enum Zone {
    /// The user's own.
    case local
    /// The one that the date is written in.
    case original
    case given(StringExpression)
  }

  let zone: Zone
  let part: StringExpression
  let matcher: Matcher
  let offset: Int

  init(
    _ arguments: Arguments,
    part: SyntaxNode.Argument?,
    keys: SyntaxNode.Argument?,
    _ compiler: Compiler
  ) throws(Fault) {
    offset = arguments.offset
    matcher = try compiler.matcher(arguments, keys: keys)
    self.part = try compiler.string(part)
    if let name = self.part.constant, DatePart(name) == nil {
      throw Fault(at: part?.offset ?? offset, "\"\(name.text)\" is no part of a date")
    }
    guard let tag = arguments.tag(inGroup: "zone") else {
      zone = .local
      return
    }
    guard tag.definition.name == "zone" else {
      zone = .original
      return
    }
    let given = try compiler.string(tag.value)
    if let text = given.constant, Self.minutes(text) == nil {
      throw Fault(at: tag.value?.offset ?? offset, "\"\(text.text)\" is no zone; one is \"+0100\"")
    }
    zone = .given(given)
  }

  /// The date of the first of the fields; nil where there is none or it is none.
  static func date(of fields: FieldSelection, _ run: Run) throws(RunStop) -> MIMEDate? {
    guard let (header, found) = try fields.fields(run).first, let field = found.first else {
      return nil
    }
    var body = header.bytes.span.extracting(field.body)
    // RFC 5260 §4: as in `Received`, the date may stand behind the last semicolon.
    var position = 0
    while let semicolon = body.firstIndex(of: 0x3B, from: position) { position = semicolon + 1 }
    body = body.extracting(position..<body.count)
    return MIMEDate.parse(body)
  }

  func evaluate(_ run: Run, _ date: MIMEDate?) throws(RunStop) -> Bool {
    var matching = matcher.begin(run)
    guard var date else { return try matching.finish() }
    switch zone {
    case .original: break
    case .local: date.offset = Int(try run.number(.zoneOffset(seconds: date.seconds)) ?? 0)
    case .given(let text):
      guard let minutes = Self.minutes(text.bytes(run)) else {
        throw RunStop(at: offset, "\"\(text.bytes(run).text)\" is no zone")
      }
      date.offset = minutes
    }
    guard let part = DatePart(part.bytes(run)) else { return try matching.finish() }
    if try matching.offer(Text(part.value(of: CivilDate(date)))) { return true }
    return try matching.finish()
  }

  /// The minutes east of Greenwich that `+hhmm` spells; nil where it is none.
  private static func minutes(_ text: [UInt8]) -> Int? {
    guard text.count == 5, text[0] == 0x2B || text[0] == 0x2D,
      text.dropFirst().allSatisfy(\.isASCIIDigit)
    else { return nil }
    let digits = text.dropFirst().map { Int($0 - 0x30) }
    let minutes = (digits[0] * 10 + digits[1]) * 60 + digits[2] * 10 + digits[3]
    guard digits[2] < 6, minutes <= 24 * 60 else { return nil }
    return text[0] == 0x2D ? -minutes : minutes
  }
}

/// A date by the calendar of some zone.
struct CivilDate: Sendable {
  /// Days since 1970-01-01 in the zone.
  let day: Int64
  /// Seconds of the day in the zone.
  let second: Int64
  /// Minutes east of Greenwich.
  let offset: Int
  let year: Int64
  let month: Int64
  let dayOfMonth: Int64

  init(_ date: MIMEDate) {
    offset = date.offset
    // The range of years with four digits, so that no sum overflows.
    let seconds = min(max(date.seconds, -62_135_596_800), 253_402_300_799)
    let local = seconds + Int64(offset) * 60
    day = local >= 0 ? local / 86_400 : (local - 86_399) / 86_400
    second = local - day * 86_400
    // The civil calendar from days: eras of 400 years that begin in March.
    let shifted = day + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthIndex = (5 * dayOfYear + 2) / 153
    dayOfMonth = dayOfYear - (153 * monthIndex + 2) / 5 + 1
    month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  }

  /// 0 for Sunday to 6 for Saturday.
  var weekday: Int64 { ((day + 4) % 7 + 7) % 7 }
}

/// A part of a date that a test names (RFC 5260 §4.2).
enum DatePart: String {
  case year, month, day, date, julian, hour, minute, second, time, iso8601, std11, zone, weekday

  init?(_ name: [UInt8]) { self.init(rawValue: name.lowercased.text) }

  func value(of date: CivilDate) -> String {
    switch self {
    case .year: Self.padded(date.year, 4)
    case .month: Self.padded(date.month, 2)
    case .day: Self.padded(date.dayOfMonth, 2)
    case .date: Self.day(date)
    // The Modified Julian Day of 1970-01-01 is 40,587.
    case .julian: String(date.day + 40_587)
    case .hour: Self.padded(date.second / 3600, 2)
    case .minute: Self.padded(date.second / 60 % 60, 2)
    case .second: Self.padded(date.second % 60, 2)
    case .time: Self.time(date)
    // RFC 3339 §5.6: `Z` is Greenwich.
    case .iso8601:
      "\(Self.day(date))T\(Self.time(date))"
        + (date.offset == 0 ? "Z" : Self.zone(date, separator: ":"))
    case .std11: Self.std11(date)
    case .zone: Self.zone(date, separator: "")
    case .weekday: String(date.weekday)
    }
  }

  private static func padded(_ number: Int64, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
  }

  private static func day(_ date: CivilDate) -> String {
    "\(padded(date.year, 4))-\(padded(date.month, 2))-\(padded(date.dayOfMonth, 2))"
  }

  private static func time(_ date: CivilDate) -> String {
    [date.second / 3600, date.second / 60 % 60, date.second % 60].map { padded($0, 2) }
      .joined(separator: ":")
  }

  private static func zone(_ date: CivilDate, separator: String) -> String {
    let minutes = Int64(abs(date.offset))
    return
      "\(date.offset < 0 ? "-" : "+")\(padded(minutes / 60, 2))\(separator)\(padded(minutes % 60, 2))"
  }

  private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  private static func std11(_ date: CivilDate) -> String {
    let weekday = days[Int(date.weekday)]
    let month = months[Int(date.month) - 1]
    let day = padded(date.dayOfMonth, 2)
    return
      "\(weekday), \(day) \(month) \(padded(date.year, 4)) \(time(date)) \(zone(date, separator: ""))"
  }
}
