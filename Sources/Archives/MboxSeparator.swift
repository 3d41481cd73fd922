import Bytes
import MIME

/// The line before each message of an mbox: `From SENDER DATE` (RFC 4155, appendix A).
///
///     From ada@example.org Thu Nov 26 02:47:02 2026
///
/// The date is asctime's, in UTC; some add seconds' absence, a zone before or after the year, or where the message came from.
/// Thunderbird writes no sender (`-`), and of late nothing at all.
enum MboxSeparator {
  /// How sure it is that a line parts two messages.
  enum Kind: Equatable {
    /// It has a date, in seconds since 1970.
    case dated(Int64?)
    /// It has nothing, or a dash.
    case empty
    /// It is like text that begins with the word.
    case text
  }

  /// What the line after `From ` is; `line` begins with that and has no line end.
  static func kind(_ line: Span<UInt8>) -> Kind {
    let rest = line.extracting(min(5, line.count)..<line.count)
    let trimmed = rest.extracting(rest.trimmingBlanks)
    if trimmed.count == 0 || (trimmed.count == 1 && trimmed[0] == 0x2D) { return .empty }
    // The sender may hold blanks, in quotes or by mistake; the date is looked for from each word on.
    var reader = ByteReader(trimmed)
    var words = 0
    while !reader.isAtEnd, words < 16 {
      let start = reader.position
      if isDate(trimmed.extracting(start..<trimmed.count)) {
        return .dated(MIMEDate.parse(trimmed.extracting(start..<trimmed.count))?.seconds)
      }
      _ = reader.take { !$0.isBlank }
      _ = reader.take { $0.isBlank }
      words += 1
    }
    return .text
  }

  private static let weekdays: [StaticString] = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
  private static let months: [StaticString] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
  ]

  /// `Thu Nov 26 02:47` and whatever follows, the weekday with or without a comma, the day before the month too.
  private static func isDate(_ text: Span<UInt8>) -> Bool {
    var reader = ByteReader(text)
    guard consume(&reader, weekdays) else { return false }
    _ = reader.consume(0x2C)
    guard skipBlanks(&reader) else { return false }
    if consume(&reader, months) {
      guard skipBlanks(&reader), let day = reader.number(), (1...31).contains(day) else {
        return false
      }
    } else {
      guard let day = reader.number(), (1...31).contains(day), skipBlanks(&reader),
        consume(&reader, months)
      else { return false }
    }
    guard skipBlanks(&reader) else { return false }
    // `Thu, 26 Nov 2026 02:47:02`
    if reader.remaining > 4, reader.peek(4)?.isBlank == true, reader.next?.isASCIIDigit == true {
      reader.skip(4)
      _ = skipBlanks(&reader)
    }
    guard let hour = reader.number(), hour < 25, reader.consume(0x3A), let minute = reader.number(),
      minute < 60
    else { return false }
    return true
  }

  private static func consume(_ reader: inout ByteReader, _ words: [StaticString]) -> Bool {
    for word in words where reader.consume(ignoringCase: word) { return true }
    return false
  }

  private static func skipBlanks(_ reader: inout ByteReader) -> Bool {
    !reader.take { $0.isBlank }.isEmpty
  }

  /// Whether a line is like the first field of a header: a name, a colon.
  static func isField(_ line: Span<UInt8>) -> Bool {
    var reader = ByteReader(line)
    let name = reader.take { $0 > .space && $0 < 0x7F && $0 != 0x3A }
    return !name.isEmpty && name.count < 128 && reader.next == 0x3A
  }

  /// Appends the line, its end included.
  static func write(_ message: ArchivedMessage, to output: inout [UInt8]) {
    output.append("From ")
    appendSender(of: message.raw.span, to: &output)
    output.append(.space)
    // `Thu, 26 Nov 2026 02:47:02 +0000` in asctime's order.
    let date = MIMEDate(seconds: message.receivedAt ?? 0).formatted.split(separator: " ")
    if date.count >= 5 {
      let day = date[1].count == 1 ? " \(date[1])" : String(date[1])
      output.append(text: "\(date[0].prefix(3)) \(date[2]) \(day) \(date[4]) \(date[3])\n")
    }
  }

  /// The reverse-path that delivery noted in the first field, or a word that means that none is known.
  private static func appendSender(of raw: Span<UInt8>, to output: inout [UInt8]) {
    var reader = ByteReader(raw)
    if reader.consume(ignoringCase: "RETURN-PATH:") {
      _ = reader.take { $0.isBlank || $0 == 0x3C }
      let address = reader.slice(reader.take { $0 > .space && $0 < 0x7F && $0 != 0x3E })
      if address.count > 0, address.count < 320, address.firstIndex(of: 0x40) != nil {
        return output.append(address)
      }
    }
    output.append("MAILER-DAEMON")
  }
}
