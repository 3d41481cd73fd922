import Bytes
import MIME

/// The message of a run: what was read of it, each value decoded once, and what the script changed.
final class MessageState {
  private(set) var header: HeaderFields
  private(set) var parsed: ParsedMessage?
  private let originalSize: Int
  private let names: [[UInt8]]
  /// By the slots of field names; nil where the field was not looked for yet.
  private var values: [[Text]?]
  private var addresses: [[AddressValue]?]
  /// What a script put in the place of parts, by their ids (RFC 5703 §5).
  private(set) var replacements: [Int: [UInt8]] = [:]
  private(set) var isEdited = false
  /// Rises with each new message, so that a loop over an old one is told from one over this.
  private(set) var generation = 0
  /// The last generation that took the place of the whole message, not around it.
  private(set) var lastReplacement = 0
  /// The message before it was enclosed, for `redirect` (RFC 5703 §6); nil where it was not changed.
  private var unenclosed: [UInt8]?
  private var isEnclosed = false

  init(_ message: ScriptMessage, names: [[UInt8]]) {
    header = message.header
    parsed = message.parsed
    originalSize = message.size
    self.names = names
    values = Array(repeating: nil, count: names.count)
    addresses = values.map { _ in nil }
  }

  /// The size of the message (RFC 5228 §5.9), with what the script changed.
  var size: Int { isEdited ? whole.count : originalSize }

  // MARK: Fields

  /// The values of the fields of a slot, decoded, in the order of the header.
  func values(ofSlot slot: Int) -> [Text] {
    if let known = values[slot] { return known }
    let found = Self.values(of: names[slot], in: header)
    values[slot] = found
    return found
  }

  /// The addresses in the fields of a slot.
  func addresses(ofSlot slot: Int) -> [AddressValue] {
    if let known = addresses[slot] { return known }
    var found: [AddressValue] = []
    for field in Self.fields(names[slot], in: header) {
      found += AddressValue.list(header.bytes.span.extracting(field.body))
    }
    addresses[slot] = found
    return found
  }

  /// The field name of a slot.
  func name(ofSlot slot: Int) -> [UInt8] { names[slot] }

  /// The fields of a name in lower case.
  static func fields(_ name: [UInt8], in header: HeaderFields) -> [HeaderField] {
    let bytes = header.bytes.span
    var found: [HeaderField] = []
    for field in header.fields where field.name.count == name.count {
      let start = field.name.lowerBound
      var index = 0
      while index < name.count, bytes[start + index].asciiLowercased == name[index] { index += 1 }
      if index == name.count { found.append(field) }
    }
    return found
  }

  /// The values of the fields of a name in lower case.
  static func values(of name: [UInt8], in header: HeaderFields) -> [Text] {
    let fields = fields(name, in: header)
    guard !fields.isEmpty else { return [] }
    return fields.map { value($0, in: header) }
  }

  /// The value of a field: unfolded, decoded, without blanks at its ends (RFC 5228 §2.4.2.2, §5.7).
  static func value(_ field: HeaderField, in header: HeaderFields) -> Text {
    var body = header.bytes.span.extracting(field.body)
    while body.count > 0, body[0].isSieveBlank { body = body.extracting(1..<body.count) }
    while body.count > 0, body[body.count - 1].isSieveBlank {
      body = body.extracting(0..<body.count - 1)
    }
    if EncodedWords.isPlain(body) { return Text(body.array) }
    return Text([UInt8](EncodedWords.decode(body).utf8).trimmed)
  }

  // MARK: Changes

  /// Puts another header in the place of the message's own.
  func replaceHeader(_ other: HeaderFields) {
    header = other
    forget()
  }

  /// Puts a whole other message in the place of the one that came.
  func replaceMessage(_ bytes: [UInt8]) {
    adopt(bytes)
    lastReplacement = generation
  }

  private func adopt(_ bytes: [UInt8]) {
    let message = MessageParser.parse(bytes)
    parsed = message
    header = message.header
    replacements = [:]
    generation += 1
    forget()
  }

  /// Wraps the message in another.
  func enclose(in bytes: [UInt8]) {
    if !isEnclosed { unenclosed = edited }
    isEnclosed = true
    adopt(bytes)
  }

  /// Puts other bytes, header and all, in the place of a part.
  func replacePart(_ id: Int, with bytes: [UInt8]) {
    replacements[id] = bytes
    isEdited = true
  }

  /// Takes the message apart anew where parts of it were replaced.
  func adoptReplacements() {
    if !replacements.isEmpty { adopt(whole) }
  }

  private func forget() {
    isEdited = true
    for slot in values.indices {
      values[slot] = nil
      addresses[slot] = nil
    }
  }

  /// The message as the script changed it; nil where it did not.
  var edited: [UInt8]? { isEdited ? whole : nil }

  /// The message as `redirect` sends it: not enclosed; nil where the script did not change it.
  var redirected: [UInt8]? { isEnclosed ? unenclosed : edited }

  /// The message as it is now.
  var whole: [UInt8] {
    var bytes = header.fieldBytes
    let lineBreak: [UInt8] = bytes.contains(.cr) || bytes.isEmpty ? [.cr, .lf] : [.lf]
    if let last = bytes.last, last != .lf { bytes += lineBreak }
    bytes += lineBreak
    return bytes + body
  }

  /// The body of the message with the parts that were replaced.
  private var body: [UInt8] {
    guard let parsed, let root = parsed.parts.first else { return [] }
    let range = root.headerRange.upperBound..<parsed.bytes.count
    guard !replacements.isEmpty else { return [UInt8](parsed.bytes[range]) }
    var body: [UInt8] = []
    var position = range.lowerBound
    for part in parsed.parts {
      let partRange = part.headerRange.lowerBound..<part.bodyRange.upperBound
      guard let replacement = replacements[part.id], !part.isInDecodedCopy,
        partRange.lowerBound >= position
      else { continue }
      body += parsed.bytes[position..<partRange.lowerBound]
      body += replacement
      position = partRange.upperBound
    }
    return body + parsed.bytes[position..<range.upperBound]
  }

  /// The offset behind the line break that follows `offset`.
  static func lineEnd(behind offset: Int, in bytes: Span<UInt8>) -> Int {
    (bytes.firstIndex(of: .lf, from: offset) ?? bytes.count - 1) + 1
  }
}

extension MessageState {
  /// Whether a part is gone, since one around it was replaced.
  func isReplaced(_ id: Int, in message: ParsedMessage) -> Bool {
    guard !replacements.isEmpty else { return false }
    var parent = message.parts[id].parent
    while let current = parent {
      if replacements[current] != nil { return true }
      parent = message.parts[current].parent
    }
    return false
  }
}
