import Bytes
import Crypto
import MIME

/// Compares a parsed message with what the corpus expects, gathering every difference.
struct CorpusComparison {
  let message: ParsedMessage
  private(set) var differences: [String] = []

  init(_ message: ParsedMessage) { self.message = message }

  private mutating func check<Value: Equatable>(_ what: String, _ found: Value, _ wanted: Value) {
    if found != wanted { differences.append("\(what): found \(found), expected \(wanted)") }
  }

  /// Compares text; where the others gave up on a byte (U+FFFD) we may have read it.
  ///
  /// Raw eight-bit text in header fields is read as windows-1252 by a named leniency.
  private mutating func checkText(_ what: String, _ found: String?, _ wanted: String) {
    let found = (found ?? "").unicodeScalars.map { $0 }
    let wanted = wanted.unicodeScalars.map { $0 }
    let isSame =
      found.count == wanted.count
      && zip(found, wanted).allSatisfy { $0 == $1 || $1 == "\u{FFFD}" }
    if !isSame { check(what, found, wanted) }
  }

  // MARK: Trees of decoded parts

  /// Compares a message whose root is `part` with `headers` and `root` of an expectation.
  mutating func compareTree(_ part: MessagePart, _ expected: JSONValue) {
    if let headers = expected["headers"] { compare(part.header, headers) }
    if let root = expected["root"] { compareNode(part, root) }
  }

  private mutating func compare(_ header: HeaderFields, _ expected: JSONValue) {
    for name in ["from", "to", "reply-to"] {
      guard let wanted = expected[name]?.arrayValue else { continue }
      let found = (header.first(name).map { header.addresses($0) } ?? [])
        .map { "\($0.name ?? "")<\($0.email)>" }
      let texts = wanted.map {
        "\($0["name"]?.stringValue ?? "")<\($0["address"]?.stringValue ?? "")>"
      }
      checkText(name, found.joined(separator: ", "), texts.joined(separator: ", "))
    }
    if let subject = expected["subject"]?.stringValue {
      checkText("subject", header.first("subject").map { header.text($0) }, subject)
    }
    if let date = expected["date"]?.stringValue {
      let found = header.first("date").flatMap { header.date($0) }
      check("date", found, MIMEDate.parse([UInt8](date.utf8).span))
    }
    if let id = expected["message_id"]?.stringValue {
      check("message ID", header.first("message-id").flatMap { header.messageIDs($0)?.first }, id)
    }
  }

  private mutating func compareNode(_ part: MessagePart, _ expected: JSONValue) {
    let place = "part \(part.id)"
    if let type = expected["content_type"]?.stringValue {
      check("\(place) type", part.contentType.mediaType, type)
    }
    if let charset = expected["charset"]?.stringValue {
      check("\(place) charset", part.contentType.charset?.lowercased(), charset)
    }
    if let disposition = expected["disposition"]?.stringValue {
      check("\(place) disposition", part.disposition?.type, disposition)
    }
    if let name = expected["filename"]?.stringValue { checkText("\(place) name", part.name, name) }
    if let id = expected["content_id"]?.stringValue { check("\(place) id", part.contentID, id) }
    if let encoding = expected["transfer_encoding"]?.stringValue {
      check("\(place) encoding", part.transferEncoding.name, encoding)
    }
    switch expected["kind"]?.stringValue {
    case "multipart": compareChildren(part, expected["parts"]?.arrayValue ?? [])
    case "message": compareMessage(part, expected["message"])
    case "text": compareText(part, expected)
    default: compareBinary(part, expected)
    }
  }

  private mutating func compareChildren(_ part: MessagePart, _ expected: [JSONValue]) {
    guard case .multipart(let children) = part.content, children.count == expected.count else {
      check("part \(part.id) content", "\(part.content)", "\(expected.count) parts")
      return
    }
    for (child, wanted) in zip(children, expected) { compareNode(message.parts[child], wanted) }
  }

  private mutating func compareMessage(_ part: MessagePart, _ expected: JSONValue?) {
    guard case .message(let root) = part.content, let expected else {
      check("part \(part.id) content", "\(part.content)", "a message")
      return
    }
    compareTree(message.parts[root], expected)
  }

  private mutating func compareText(_ part: MessagePart, _ expected: JSONValue) {
    let text = part.decodedText().text
    let digest = Hex.encode(Digest.sha256([UInt8](text.utf8)).span)
    guard digest != expected["text_sha256_lf"]?.stringValue else { return }
    check(
      "part \(part.id) length",
      text.unicodeScalars.count,
      Int(expected["text_chars_lf"]?.intValue ?? -1)
    )
    check(
      "part \(part.id) text",
      String(text.prefix(120)),
      expected["text_start"]?.stringValue ?? ""
    )
    differences.append("part \(part.id) text differs: …\(text.suffix(60).debugDescription)")
  }

  private mutating func compareBinary(_ part: MessagePart, _ expected: JSONValue) {
    let content = part.decodedContent().content
    check("part \(part.id) size", content.count, Int(expected["size"]?.intValue ?? -1))
    check(
      "part \(part.id) digest",
      Hex.encode(Digest.sha256(content).span),
      expected["sha256"]?.stringValue ?? ""
    )
  }

  // MARK: Structures with header names

  /// Compares the structure below `part`: kinds, header names and content.
  mutating func compareStructure(_ part: MessagePart, _ expected: JSONValue) {
    let names = expected["header_names"]?.arrayValue?.compactMap(\.stringValue)
    check("part \(part.id) names", part.header.fields.map { part.header.name(of: $0) }, names ?? [])
    switch expected["kind"]?.stringValue {
    case "message":
      guard case .message(let root) = part.content, let inner = expected["message"] else {
        check("part \(part.id) content", "\(part.content)", "a message")
        return
      }
      compareStructure(message.parts[root], inner)
    case "multipart": compareStructures(part, expected)
    default: compareLeaf(part, expected)
    }
  }

  private mutating func compareStructures(_ part: MessagePart, _ expected: JSONValue) {
    let wanted = expected["parts"]?.arrayValue ?? []
    guard case .multipart(let children) = part.content, children.count == wanted.count else {
      check("part \(part.id) content", "\(part.content)", "\(wanted.count) parts")
      return
    }
    for (child, node) in zip(children, wanted) { compareStructure(message.parts[child], node) }
  }

  private mutating func compareLeaf(_ part: MessagePart, _ expected: JSONValue) {
    guard let digest = expected["decoded_sha256_lf"]?.stringValue else { return }
    var content = part.decodedContent().content
    content = Self.replacingLineBreaks(content)
    check("part \(part.id) size", content.count, Int(expected["decoded_size_lf"]?.intValue ?? -1))
    check("part \(part.id) digest", Hex.encode(Digest.sha256(content).span), digest)
  }

  private static func replacingLineBreaks(_ bytes: [UInt8]) -> [UInt8] {
    var output: [UInt8] = []
    for (index, byte) in bytes.enumerated() {
      let isBreak = byte == .cr && index + 1 < bytes.count && bytes[index + 1] == .lf
      if !isBreak { output.append(byte) }
    }
    return output
  }

  // MARK: Trees of content types

  /// Compares content types and file names below `part`.
  mutating func compareTypes(_ part: MessagePart, _ expected: JSONValue) {
    check(
      "part \(part.id) type",
      part.contentType.mediaType,
      expected["content_type"]?.stringValue ?? ""
    )
    check("part \(part.id) name", part.name, expected["filename"]?.stringValue)
    // CPython takes the fields of a delivery status for parts; RFC 3464 knows none.
    guard part.contentType.mediaType != "message/delivery-status" else { return }
    let wanted = expected["parts"]?.arrayValue ?? []
    let children: [Int]
    switch part.content {
    case .leaf: children = []
    case .message(let root): children = [root]
    case .multipart(let parts): children = parts
    }
    check("part \(part.id) children", children.count, wanted.count)
    for (child, node) in zip(children, wanted) { compareTypes(message.parts[child], node) }
  }
}
