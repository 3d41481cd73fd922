import Bytes

/// The tree of a message's MIME parts as the server parsed it (RFC 3501 §7.4.2).
///
///     S: * 1 FETCH (BODYSTRUCTURE (("text" "plain" ("charset" "utf-8") NIL NIL "8bit" 120 4)
///        ("image" "png" ("name" "a.png") NIL NIL "base64" 5120 NIL ("attachment" NIL)) "mixed"))
package struct BodyStructure: Hashable, Sendable {
  /// The type in lower case, such as `text`, `multipart` or `message`.
  package var type = "text"
  /// The subtype in lower case.
  package var subtype = "plain"
  /// The parameters of the content type, RFC 2231 pieces not joined.
  package var parameters: [BodyParameter] = []
  package var contentID: [UInt8]?
  package var contentDescription: [UInt8]?
  /// The transfer encoding in lower case; empty for a multipart.
  package var transferEncoding = ""
  /// How many bytes the part has as it is encoded; 0 for a multipart.
  package var size = 0
  /// How many lines a text or an embedded message has, where the server says so.
  package var lines: Int?
  package var disposition: BodyDisposition?
  package var languages: [String] = []
  package var location: [UInt8]?
  /// The envelope of an embedded message (`message/rfc822`).
  package var envelope: Envelope?
  /// The parts of a multipart, or the one body of an embedded message.
  package var parts: [BodyStructure] = []

  /// A plain text without content.
  package init() {}

  /// Whether this is a multipart.
  package var isMultipart: Bool { type == "multipart" }

  /// Whether this is an embedded message, whose parts are numbered below its own number.
  package var isEmbeddedMessage: Bool { type == "message" && !parts.isEmpty }

  /// The bytes of the parameter `name`, written in lower case.
  package func parameter(_ name: String) -> [UInt8]? {
    parameters.first { $0.name == name }?.value
  }

  /// Calls `body` for every part but multiparts, with the number that FETCH knows it by.
  ///
  /// A message that is not a multipart has one part, `1` (RFC 3501 §6.4.5).
  package func forEachPart(_ body: (PartPath, BodyStructure) -> Void) {
    walk(PartPath(), body)
  }

  private func walk(_ container: PartPath, _ body: (PartPath, BodyStructure) -> Void) {
    guard isMultipart else {
      visit(container.appending(1), body)
      return
    }
    for (index, part) in parts.enumerated() {
      part.visit(container.appending(index + 1), body)
    }
  }

  /// Visits this part, which stands at `path`, and what it holds.
  private func visit(_ path: PartPath, _ body: (PartPath, BodyStructure) -> Void) {
    guard !isMultipart else { return walk(path, body) }
    body(path, self)
    if isEmbeddedMessage { parts[0].walk(path, body) }
  }
}

/// A parameter of a content type or disposition.
package struct BodyParameter: Hashable, Sendable {
  /// The name in lower case, with the marks of RFC 2231 if it has any.
  package var name: String
  package var value: [UInt8]

  /// The parameter `name` with `value`.
  package init(name: String, value: [UInt8]) {
    self.name = name
    self.value = value
  }
}

/// A content disposition.
package struct BodyDisposition: Hashable, Sendable {
  /// `inline`, `attachment` or another word, in lower case.
  package var kind: String
  package var parameters: [BodyParameter]

  /// The disposition `kind` with `parameters`.
  package init(kind: String, parameters: [BodyParameter]) {
    self.kind = kind
    self.parameters = parameters
  }
}

/// The number of a part in its message: `[1, 2]` is written `1.2`.
package struct PartPath: Hashable, Sendable, CustomStringConvertible {
  /// The number at each level, from 1 on.
  package var numbers: [Int]

  /// The part at `numbers`; the message itself where there are none.
  package init(_ numbers: [Int] = []) { self.numbers = numbers }

  /// The part that `text`, such as `1.2`, names; nil unless it is numbers of 1 and more.
  package init?(_ text: String) {
    var numbers: [Int] = []
    for piece in text.utf8.split(separator: 0x2E, omittingEmptySubsequences: false) {
      guard let number = Int(String(decoding: piece, as: UTF8.self)), number > 0,
        piece.allSatisfy(\.isASCIIDigit)
      else { return nil }
      numbers.append(number)
    }
    guard !numbers.isEmpty else { return nil }
    self.numbers = numbers
  }

  /// The part `number` of this one.
  package func appending(_ number: Int) -> PartPath { PartPath(numbers + [number]) }

  package var description: String {
    guard let first = numbers.first else { return "" }
    return numbers.dropFirst().reduce(into: String(first)) { text, number in
      text += "."
      text += String(number)
    }
  }
}
