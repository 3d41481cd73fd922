import Bytes
import MIME
import Sieve

/// A value of a message, and how it reads with its letters of ASCII in lower case.
struct ComparedText {
  let bytes: [UInt8]
  let folded: [UInt8]

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    folded = bytes.map(\.asciiLowercased)
  }

  init(_ text: String) { self.init([UInt8](text.utf8)) }
}

/// What conditions look at of one message, each value made once however many conditions ask for it.
final class MessageValues {
  let message: RuleMessage
  private var texts: [String: [ComparedText]] = [:]
  private var addresses: [String: [ComparedAddress]] = [:]
  private var parts: [String: [ComparedText]] = [:]
  private(set) lazy var words = MessageWords(message)
  private(set) lazy var bodyTexts =
    message.parsed.map { ComparedValues.bodyTexts(of: $0).map { ComparedText($0) } } ?? []
  private(set) lazy var allTexts =
    ComparedValues.allTexts(in: message.header).map { ComparedText($0) }
  private(set) lazy var partNames = (message.parsed?.parts ?? []).flatMap {
    ComparedValues.parameters(["filename", "name"], in: $0.header)
  }.map { ComparedText($0) }

  init(_ message: RuleMessage) { self.message = message }

  /// The values of the fields of a name, decoded.
  func texts(of name: String) -> [ComparedText] {
    if let known = texts[name] { return known }
    let found = ComparedValues.texts(of: name, in: message.header).map { ComparedText($0) }
    texts[name] = found
    return found
  }

  /// The addresses in the fields of a name.
  func addresses(of name: String) -> [ComparedAddress] {
    if let known = addresses[name] { return known }
    let found = ComparedValues.addresses(of: name, in: message.header)
    addresses[name] = found
    return found
  }

  /// A part of those addresses, by `select`, which has the name `part`.
  func parts(
    _ part: String,
    of name: String,
    _ select: (ComparedAddress) -> [UInt8]?
  ) -> [ComparedText] {
    let key = "\(name).\(part)"
    if let known = parts[key] { return known }
    let found = addresses(of: name).compactMap(select).map { ComparedText($0) }
    parts[key] = found
    return found
  }
}
