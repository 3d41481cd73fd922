import Bytes
import MIME

/// What `>From ` in an mbox stands for.
enum MboxQuoting {
  /// One `>` less, however many there are (mboxrd).
  case anyDepth
  /// `From `; more of them stand for themselves (mboxo).
  case single
}

/// Makes messages of what stands between the separators of an mbox.
struct MboxAssembly {
  let quoting: MboxQuoting
  let limits: ArchiveLimits

  /// A message that we wrote.
  func message(_ text: Span<UInt8>, _ stamp: Stamp) -> ArchivedMessage {
    var end = text.count
    // The empty line before the next separator, and of raw bytes the line end that they may lack.
    for _ in 0..<(stamp.form == .raw ? 2 : 1) where end > stamp.length && text[end - 1] == .lf {
      end -= 1
    }
    let body = text.extracting(stamp.length..<end)
    let unquoted = Self.unquote(body, .anyDepth)
    let raw = stamp.form == .lf ? LineForm.crlf(unquoted.span) : unquoted
    return ArchivedMessage(raw, keywords: stamp.keywords, receivedAt: stamp.receivedAt)
  }

  /// A message that another program wrote, whose body stands at `body` where its length was told; nil where it is none.
  func message(_ text: Span<UInt8>, measuredBody body: Range<Int>?) -> ArchivedMessage? {
    var text = text
    if let body {
      text = text.extracting(0..<body.upperBound)
    } else if text.count > 0, text[text.count - 1] == .lf {
      let end = text.count - (text.count > 1 && text[text.count - 2] == .cr ? 2 : 1)
      // The empty line before the next separator, but not the end of the last line.
      if end == 0 || text[end - 1] == .lf { text = text.extracting(0..<end) }
    }
    let headerEnd = Self.headerEnd(text)
    var fields = StatusFields(limits)
    var raw: [UInt8] = []
    raw.reserveCapacity(text.count + text.count / 32 + 16)
    var date: Int64?
    HeaderLines.forEach(text.extracting(0..<headerEnd)) { name, body, range in
      if fields.take(name, body) { return }
      if name.equalsIgnoringCase("date") { date = MIMEDate.parse(body)?.seconds }
      raw.append(text.extracting(range))
    }
    guard !fields.isInternal else { return nil }
    let content = text.extracting(headerEnd..<text.count)
    if body != nil, Self.hasBareFromLine(content) {
      raw.append(content)
    } else {
      Self.unquote(content, quoting, into: &raw)
    }
    var message = ArchivedMessage(raw, keywords: fields.keywords.sorted(), receivedAt: date)
    message.isDeleted = fields.isDeleted
    return message
  }

  /// Where the empty line after the header begins.
  private static func headerEnd(_ text: Span<UInt8>) -> Int {
    var line = 0
    while line < text.count {
      if text[line] == .lf { return line }
      if text[line] == .cr, line + 1 < text.count, text[line + 1] == .lf { return line }
      guard let lf = text.firstIndex(of: .lf, from: line) else { return text.count }
      line = lf + 1
    }
    return text.count
  }

  private static func hasBareFromLine(_ text: Span<UInt8>) -> Bool {
    var line = 0
    while line < text.count {
      if depth(text, at: line) == 0 { return true }
      guard let lf = text.firstIndex(of: .lf, from: line) else { return false }
      line = lf + 1
    }
    return false
  }

  /// How many `>` stand before `From ` at `place`; nil where it does not come.
  private static func depth(_ text: Span<UInt8>, at place: Int) -> Int? {
    guard place < text.count, text[place] == 0x3E || text[place] == 0x46 else { return nil }
    var reader = ByteReader(text.extracting(place..<text.count))
    let depth = reader.take { $0 == 0x3E }.count
    return reader.consume("From ") ? depth : nil
  }

  private static func unquote(_ text: Span<UInt8>, _ quoting: MboxQuoting) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(text.count)
    unquote(text, quoting, into: &output)
    return output
  }

  /// Appends `text` with a `>` less in each quoted line.
  static func unquote(_ text: Span<UInt8>, _ quoting: MboxQuoting, into output: inout [UInt8]) {
    var copied = 0
    var line = 0
    while line < text.count {
      if let depth = depth(text, at: line), depth == 1 || depth > 1 && quoting == .anyDepth {
        output.append(text.extracting(copied..<line))
        copied = line + 1
      }
      guard let lf = text.firstIndex(of: .lf, from: line) else { break }
      line = lf + 1
    }
    output.append(text.extracting(copied..<text.count))
  }

  /// Appends `text` with a `>` more in each line that could be taken for a separator.
  static func quote(_ text: Span<UInt8>, into output: inout [UInt8]) {
    var copied = 0
    var line = 0
    while line < text.count {
      if depth(text, at: line) != nil {
        output.append(text.extracting(copied..<line))
        output.append(0x3E)
        copied = line
      }
      guard let lf = text.firstIndex(of: .lf, from: line) else { break }
      line = lf + 1
    }
    output.append(text.extracting(copied..<text.count))
  }
}
