import Bytes

/// A `mailto:` URI as a method of notification (RFC 5436 §2.2): whom it goes to, and with what fields.
package struct MailtoURI: Hashable, Sendable {
  /// The addresses of the recipients.
  package private(set) var to: [String] = []
  /// Fields, names in lower case; those that a notification sets by itself are left out (§2.7).
  package private(set) var fields: [(name: String, value: String)] = []
  /// The text.
  package private(set) var body: String?

  /// The URI that bytes spell; nil where they spell none.
  package init?(_ uri: [UInt8]) {
    guard uri.count <= 4_000, Array("mailto:".utf8) == uri.prefix(7).map(\.asciiLowercased) else {
      return nil
    }
    let rest = uri.dropFirst(7)
    let path = rest.prefix { $0 != 0x3F }
    guard addRecipients(path) else { return nil }
    for pair in rest.dropFirst(path.count + 1).split(separator: 0x26) {
      guard add(pair) else { return nil }
    }
    guard !to.isEmpty else { return nil }
  }

  private mutating func addRecipients(_ bytes: ArraySlice<UInt8>) -> Bool {
    for address in bytes.split(separator: 0x2C) {
      guard let decoded = Self.decode(address),
        let specification = MailAddress.specification(of: decoded)
      else { return false }
      to.append(specification)
    }
    return true
  }

  private mutating func add(_ pair: ArraySlice<UInt8>) -> Bool {
    guard let equals = pair.firstIndex(of: 0x3D), let name = Self.decode(pair[..<equals]),
      let value = Self.decode(pair[(equals + 1)...]), FieldNames.isValid(name)
    else { return false }
    switch name.lowercased.text {
    case "to", "cc": return addRecipients(pair[(equals + 1)...])
    case "body": body = value.text
    case "from", "sender", "auto-submitted", "received", "date", "message-id", "bcc": break
    case let name: fields.append((name, value.text))
    }
    return true
  }

  /// Percent-decodes; nil where an escape is none or a character must not stand in a URI.
  private static func decode(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
    var output: [UInt8] = []
    var index = bytes.startIndex
    while index < bytes.endIndex {
      let byte = bytes[index]
      if byte == 0x25 {
        guard index + 2 < bytes.endIndex, let high = bytes[index + 1].hexValue,
          let low = bytes[index + 2].hexValue
        else { return nil }
        output.append(high << 4 | low)
        index += 3
        continue
      }
      guard byte > .space, byte < 0x7F, byte != 0x3C, byte != 0x3E, byte != .quote else {
        return nil
      }
      output.append(byte)
      index += 1
    }
    return output
  }

  package static func == (one: MailtoURI, other: MailtoURI) -> Bool {
    one.to == other.to && one.body == other.body
      && one.fields.map(\.name) == other.fields.map(\.name)
      && one.fields.map(\.value) == other.fields.map(\.value)
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(to)
    hasher.combine(body)
  }
}
