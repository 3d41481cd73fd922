import Bytes
import HTTP
import Model

/// The version of a resource as `ETag` shows it: `"7"` (RFC 9110 §8.8.3).
struct ETag: Sendable, Equatable {
  /// The text between the quotes.
  let opaque: String

  /// A tag with this text, which holds no quote and no control character.
  init(_ opaque: String) { self.opaque = opaque }

  /// The tag of a resource with this version.
  init(version: Int64) { opaque = "\(version)" }

  /// The tag as the field has it.
  var field: String { "\"\(opaque)\"" }
}

/// The tags that `If-Match` or `If-None-Match` lists.
enum ETagList: Equatable {
  /// `*`: any version that exists.
  case any
  case tags([Tag])

  /// One tag of the list.
  struct Tag: Equatable {
    var opaque: String
    var isWeak: Bool
  }

  /// The list that a field's value spells; nil where it spells none.
  init?(_ text: Span<UInt8>) {
    var reader = ByteReader(text)
    reader.skipBlanks()
    if reader.consume(0x2A) {
      reader.skipBlanks()
      guard reader.isAtEnd else { return nil }
      self = .any
      return
    }
    var tags: [Tag] = []
    while !reader.isAtEnd {
      if reader.consume(0x2C) {
        reader.skipBlanks()
        continue
      }
      let isWeak = reader.consume("W/")
      guard reader.consume(.quote) else { return nil }
      let opaque = reader.take { $0 == 0x21 || $0 > 0x22 && $0 != 0x7F }
      guard reader.consume(.quote) else { return nil }
      tags.append(Tag(opaque: String(utf8: reader.slice(opaque)), isWeak: isWeak))
      reader.skipBlanks()
      guard reader.isAtEnd || reader.next == 0x2C else { return nil }
    }
    guard !tags.isEmpty else { return nil }
    self = .tags(tags)
  }

  /// Whether `tag` is listed by strong comparison, as `If-Match` asks (RFC 9110 §13.1.1).
  func strongly(matches tag: ETag) -> Bool {
    switch self {
    case .any: true
    case .tags(let tags): tags.contains { !$0.isWeak && $0.opaque == tag.opaque }
    }
  }

  /// Whether `tag` is listed by weak comparison, as `If-None-Match` asks (RFC 9110 §13.1.2).
  func weakly(matches tag: ETag) -> Bool {
    switch self {
    case .any: true
    case .tags(let tags): tags.contains { $0.opaque == tag.opaque }
    }
  }
}

extension ByteReader {
  /// Consumes spaces and tabs.
  mutating func skipBlanks() {
    _ = take { $0.isBlank }
  }
}

/// The conditions of a request on the version of its resource (RFC 9110 §13).
struct Preconditions {
  /// What `If-Match` lists.
  var ifMatch: ETagList?
  /// What `If-None-Match` lists.
  var ifNoneMatch: ETagList?

  /// The conditions in `fields`; a field that is no list of tags is the caller's mistake.
  init(_ fields: HTTPFields) throws(ServiceError) {
    ifMatch = try Self.list(fields, "if-match", "If-Match")
    ifNoneMatch = try Self.list(fields, "if-none-match", "If-None-Match")
  }

  private static func list(
    _ fields: HTTPFields,
    _ name: StaticString,
    _ title: String
  ) throws(ServiceError) -> ETagList? {
    guard let text = fields.list(name) else { return nil }
    let bytes = Array(text.utf8)
    guard let list = ETagList(bytes.span) else {
      throw ServiceError(.invalidRequest, "\(title) is no list of entity tags.")
    }
    return list
  }

  /// Throws unless a change of the resource, now at `tag`, may go on.
  func requireMatch(_ tag: ETag) throws(ServiceError) {
    guard let ifMatch, !ifMatch.strongly(matches: tag) else { return }
    throw ServiceError(.preconditionFailed, "The resource is at \(tag.field) now.")
  }

  /// Whether the caller has the resource at `tag` already.
  func isNotModified(_ tag: ETag) -> Bool {
    ifNoneMatch?.weakly(matches: tag) ?? false
  }
}
