import Foundation

/// Realistic messages, the same ones every time: message 17 is message 17 on every machine.
///
/// Lines end in CRLF. Each number has a Message-ID, a date (a minute after the one before) and a
/// subject of its own; the kind of message goes round through `Kind.allCases`.
package enum SampleMail {
  /// What a message is made of.
  package enum Kind: String, Sendable, CaseIterable {
    /// One short part of ASCII text.
    case plain
    /// Text in UTF-8, quoted-printable.
    case quotedPrintable
    /// Text in UTF-8, base64.
    case base64
    /// Text and HTML of the same words.
    case alternative
    /// HTML with an inline picture that it shows by `cid:`.
    case related
    /// Text with a PDF and a picture, one of them named in Japanese by RFC 2231.
    case mixed
    /// A subject, names and a body in a legacy charset.
    case charset
    /// A reply within a thread of five, with References.
    case thread
    /// A mailing list's message with List-Id and List-Unsubscribe.
    case newsletter
    /// A message forwarded as an attachment, itself with an attachment.
    case forwarded
  }

  private static let people: [(name: String, email: String)] = [
    ("Ada Lovelace", "ada@example.org"), ("Jürgen Groß", "juergen@example.de"),
    ("山田 太郎", "yamada@example.jp"), ("O'Brien, Pat", "pat.obrien@example.ie"),
    ("Анна Иванова", "anna@example.ru"), ("", "noreply@shop.example.com"),
    ("María José Ñúñez", "mj@example.es"), ("Bob", "bob@test.invalid"),
  ]

  private static let words = [
    "budget", "meeting", "report", "invoice", "draft", "review", "travel", "schedule", "contract",
    "release", "question", "figures", "photographs", "lunch", "deadline", "proposal",
  ]

  /// The date of message `index`, in seconds since 1970: a minute after the message before.
  package static func date(_ index: Int) -> Int { 1_700_000_000 + index * 60 }

  /// The Message-ID of message `index`, without its brackets.
  package static func messageID(_ index: Int) -> String { "sample.\(index)@mail.example.org" }

  /// The kind of message `index`.
  package static func kind(_ index: Int) -> Kind { Kind.allCases[index % Kind.allCases.count] }

  /// The decoded subject of message `index`; nil where its charset is a legacy one.
  package static func subject(_ index: Int) -> String? {
    kind(index) == .charset ? nil : plainSubject(index)
  }

  /// Message `index`.
  package static func message(_ index: Int) -> [UInt8] { message(index, kind: kind(index)) }

  /// Message `index`, made of what `kind` says.
  package static func message(_ index: Int, kind: Kind) -> [UInt8] {
    var text = header(index, kind: kind)
    text += body(index, kind: kind)
    return [UInt8](text.utf8)
  }

  /// `count` messages, the first of them number `first`.
  package static func messages(_ count: Int, first: Int = 0) -> [[UInt8]] {
    (first..<first + count).map { message($0) }
  }

  /// A message with an attachment of exactly `size` bytes, `large.bin`, whose byte `n` is `n * 31 & 255`.
  package static func withAttachment(ofSize size: Int, index: Int = 0) -> [UInt8] {
    let boundary = "=_large_\(index)"
    let content = (0..<size).map { UInt8(truncatingIfNeeded: $0 * 31) }
    var text = header(index, kind: .plain, contentType: "multipart/mixed; boundary=\"\(boundary)\"")
    text += part(boundary, "Content-Type: text/plain", "The file is attached.\r\n")
    text += "--\(boundary)\r\nContent-Type: application/octet-stream\r\n"
    text += "Content-Disposition: attachment; filename=large.bin\r\n"
    text += "Content-Transfer-Encoding: base64\r\n\r\n"
    return [UInt8](text.utf8) + wrappedBase64(content) + [UInt8]("\r\n--\(boundary)--\r\n".utf8)
  }

  // MARK: - Header

  private static func plainSubject(_ index: Int) -> String {
    let word = words[index % words.count]
    switch kind(index) {
    case .quotedPrintable, .base64: return "Übersicht \(index): \(word) für März"
    case .thread:
      return (index / 10 % 5 == 0 ? "" : "Re: ") + "Thread \(index / 50): \(threadWord(index))"
    case .mixed: return "資料 \(index) \(word)"
    default: return "Message \(index): the \(word) of this week"
    }
  }

  /// One word for a whole thread.
  private static func threadWord(_ index: Int) -> String { words[index / 50 % words.count] }

  private static func header(_ index: Int, kind: Kind, contentType: String? = nil) -> String {
    let from = people[index % people.count]
    let to = people[(index + 3) % people.count]
    var lines = [
      "Return-Path: <\(from.email)>",
      "Received: from mail.example.org (mail.example.org [192.0.2.\(index % 250 + 1)])\r\n"
        + "\tby mx.test.invalid with ESMTPS id S\(index); \(dateText(index))",
      "Date: \(dateText(index))",
      "From: \(address(from))",
      "To: \(address(to)), alice@test.invalid",
      "Message-ID: <\(messageID(index))>",
      "MIME-Version: 1.0",
      "User-Agent: Sample/1.0 (tests)",
    ]
    if index % 4 == 1 { lines.append("Cc: \(address(people[(index + 5) % people.count]))") }
    if index % 7 == 3 { lines.append("Reply-To: answers+\(index)@example.org") }
    lines += special(index, kind: kind)
    lines.append(
      "Subject: " + (kind == .charset ? charset(index).word : word(encoding: plainSubject(index)))
    )
    if let contentType { lines.append("Content-Type: \(contentType)") }
    return lines.joined(separator: "\r\n") + "\r\n" + (contentType == nil ? "" : "\r\n")
  }

  private static func special(_ index: Int, kind: Kind) -> [String] {
    switch kind {
    case .newsletter:
      return [
        "List-Id: Weekly news <news-\(index % 3).lists.example.com>",
        "List-Unsubscribe: <https://lists.example.com/u/\(index)>, <mailto:leave@lists.example.com>",
        "Precedence: bulk",
      ]
    case .thread:
      // Numbers that end in 7 make threads of five: 7, 17, 27, 37, 47.
      let position = index / 10 % 5
      guard position > 0 else { return [] }
      let ancestors = (1...position).reversed().map { "<\(messageID(index - $0 * 10))>" }
      return [
        "In-Reply-To: <\(messageID(index - 10))>",
        "References: " + ancestors.joined(separator: "\r\n "),
      ]
    default: return []
    }
  }

  private static func address(_ person: (name: String, email: String)) -> String {
    guard !person.name.isEmpty else { return person.email }
    let isASCII = person.name.utf8.allSatisfy { $0 < 0x80 }
    let name = !isASCII ? word(encoding: person.name) : person.name
    return (isASCII && name.contains(",") ? "\"\(name)\"" : name) + " <\(person.email)>"
  }

  /// An encoded word (RFC 2047) of short text; ASCII stays as it is.
  package static func word(encoding text: String) -> String {
    guard text.utf8.contains(where: { $0 >= 0x80 }) else { return text }
    return "=?UTF-8?B?\(Data(text.utf8).base64EncodedString())?="
  }

  /// The date of message `index` as RFC 5322 writes it.
  package static func dateText(_ index: Int) -> String {
    var seconds = time_t(date(index))
    var parts = unsafe tm()
    unsafe gmtime_r(&seconds, &parts)
    let (year, month, day, weekday) = unsafe (
      parts.tm_year, parts.tm_mon, parts.tm_mday, parts.tm_wday
    )
    let (hour, minute, second) = unsafe (parts.tm_hour, parts.tm_min, parts.tm_sec)
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    let months = [
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    func two(_ number: Int32) -> String { (number < 10 ? "0" : "") + String(number) }
    let time = "\(two(hour)):\(two(minute)):\(two(second))"
    return "\(days[Int(weekday)]), \(day) \(months[Int(month)]) \(year + 1900) \(time) +0000"
  }

  static func sentences(_ index: Int, count: Int) -> [String] {
    (0..<count).map { line in
      let first = words[(index + line) % words.count]
      let second = words[(index * 3 + line * 5 + 1) % words.count]
      return
        "About the \(first): please see to the \(second) before day \((index + line) % 28 + 1)."
    }
  }
}
