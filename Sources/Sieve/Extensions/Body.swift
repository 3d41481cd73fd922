import Bytes
import MIME

/// `body` (RFC 5173).
extension ScriptExtension {
  static let body = ScriptExtension("body") { capability in
    capability.tests = [
      TestDefinition(
        name: "body",
        parameters: [.strings],
        tags: [
          TagDefinition("raw", group: "transform"),
          TagDefinition("content", .strings, group: "transform"),
          TagDefinition("text", group: "transform"),
        ],
        families: [.comparator, .matchType]
      ) { arguments, compiler throws(Fault) in try BodyTest(arguments, compiler) }
    ]
  }
}

private final class BodyTest: Test {
  enum Transform {
    case raw
    case content([StringExpression])
    case text
  }

  let transform: Transform
  let matcher: Matcher
  let offset: Int

  init(_ arguments: Arguments, _ compiler: Compiler) throws(Fault) {
    matcher = try compiler.matcher(arguments, keys: arguments.positional[0])
    offset = arguments.offset
    compiler.shared.needsBody = true
    if arguments.has("raw") {
      transform = .raw
    } else if let tag = arguments.tag("content") {
      transform = .content(try compiler.strings(tag.value))
    } else {
      transform = .text
    }
  }

  func evaluate(_ run: Run) throws(RunStop) -> Bool {
    run.place = offset
    try run.count()
    // RFC 5173 §6: a match in a body sets no match variables.
    let matched = run.matched
    defer { run.matched = matched }
    var matching = matcher.begin(run)
    guard let message = run.wholeMessage, message.hasBody else { return try matching.finish() }
    switch transform {
    case .raw:
      let body = try run.rawBody(of: message)
      // What is empty is nothing to match: there may be no test of it that holds.
      if !body.isEmpty, try matching.offer(Text(body)) { return true }
    case .text:
      for part in message.parts where part.contentType.type == "text" {
        if try matching.offer(Text(try run.text(of: part))) { return true }
      }
    case .content(let types):
      let types = types.map { ContentTypePattern($0.text(run).folded) }
      for part in message.parts where types.contains(where: { $0.matches(part.contentType) }) {
        for value in try run.content(of: part, in: message) where try matching.offer(Text(value)) {
          return true
        }
      }
    }
    return try matching.finish()
  }
}

extension ParsedMessage {
  /// Whether there is a body, if only an empty one: a header alone has no line behind it.
  fileprivate var hasBody: Bool {
    guard let root = parts.first, root.headerRange.upperBound == bytes.count else { return true }
    return !defects.contains(Defect(.unterminatedHeader, part: 0))
  }
}

/// A content type as `:content` names it (RFC 5173 §5.2).
private struct ContentTypePattern {
  let type: String
  let subtype: String?
  /// Whether it can match anything: neither a slash at an end nor two of them.
  let isValid: Bool

  init(_ text: [UInt8]) {
    let pieces = text.text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    isValid = text.isEmpty || (pieces.count <= 2 && pieces.allSatisfy { !$0.isEmpty })
    type = pieces.first ?? ""
    subtype = pieces.count > 1 ? pieces[1] : nil
  }

  func matches(_ other: ContentType) -> Bool {
    guard isValid else { return false }
    return type.isEmpty
      || (type == other.type && (subtype.map { $0 == other.subtype } ?? true))
  }
}

extension Run {
  /// The body as it stands.
  fileprivate func rawBody(of message: ParsedMessage) throws(RunStop) -> [UInt8] {
    guard let root = message.parts.first else { return [] }
    let body = message.bytes[root.headerRange.upperBound...]
    try countBody(body.count)
    return [UInt8](body)
  }

  /// The text of a text part, without the mark-up of HTML.
  fileprivate func text(of part: MessagePart) throws(RunStop) -> [UInt8] {
    try countBody(part.bodyRange.count)
    let text = part.decodedText().text
    guard part.contentType.subtype == "html" else { return [UInt8](text.utf8) }
    return [UInt8](HTMLText.plainText(text).utf8)
  }

  /// What `:content` compares of a part.
  fileprivate func content(
    of part: MessagePart,
    in message: ParsedMessage
  ) throws(RunStop) -> [[UInt8]] {
    try countBody(part.bodyRange.count)
    switch part.content {
    case .multipart(let children):
      let inner = children.map { message.parts[$0] }
      guard let first = inner.first, let last = inner.last else { return [[]] }
      let prologueEnd = max(first.headerRange.lowerBound, part.bodyRange.lowerBound)
      let epilogueStart = min(last.bodyRange.upperBound, part.bodyRange.upperBound)
      return [
        Self.withoutBoundaries(part.source[part.bodyRange.lowerBound..<prologueEnd]),
        Self.withoutBoundaries(part.source[epilogueStart..<part.bodyRange.upperBound]),
      ]
    case .message(let id):
      let embedded = message.parts[id]
      return [[UInt8](embedded.source[embedded.headerRange])]
    default:
      // Text in one charset, whatever it was written in; all else without its transfer encoding.
      guard part.isText else { return [part.decodedContent().content] }
      return [[UInt8](part.decodedText().text.utf8)]
    }
  }

  /// What stands around the parts of a multipart: the lines but for those of the boundary.
  private static func withoutBoundaries(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    var kept: [UInt8] = []
    for line in bytes.split(separator: .lf, omittingEmptySubsequences: false)
    where !line.starts(with: [0x2D, 0x2D]) {
      kept += line
      kept.append(.lf)
    }
    return kept.isEmpty ? [] : kept.dropLast()
  }
}
