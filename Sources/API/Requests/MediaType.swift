import Bytes
import HTTP
import Model

/// A media type without its parameters, in lower case.
struct MediaType: Hashable, Sendable {
  var type: String
  var subtype: String

  static let json = MediaType(type: "application", subtype: "json")
  static let problem = MediaType(type: "application", subtype: "problem+json")
  static let mergePatch = MediaType(type: "application", subtype: "merge-patch+json")
  static let message = MediaType(type: "message", subtype: "rfc822")
  static let sieve = MediaType(type: "application", subtype: "sieve")
  static let yaml = MediaType(type: "application", subtype: "yaml")
  /// What `curl -d` says when it is not told otherwise.
  static let form = MediaType(type: "application", subtype: "x-www-form-urlencoded")
}

extension MediaType {
  /// The media type that a `Content-Type` spells; nil where it spells none.
  init?(contentType: Span<UInt8>) {
    var reader = ByteReader(contentType)
    reader.skipBlanks()
    guard let type = reader.mediaToken(), reader.consume(0x2F), let subtype = reader.mediaToken()
    else { return nil }
    reader.skipBlanks()
    guard reader.isAtEnd || reader.next == 0x3B else { return nil }
    self.init(type: type, subtype: subtype)
  }

  /// The media type of a request's body; nil where it names none.
  static func ofBody(_ fields: HTTPFields) throws(ServiceError) -> MediaType? {
    guard let parsed = fields.withValue(of: "content-type", { MediaType(contentType: $0) }) else {
      return nil
    }
    guard let parsed else {
      throw ServiceError(.unsupportedMediaType, "Content-Type is no media type.")
    }
    return parsed
  }

  /// Whether a body of this type is read as JSON.
  ///
  /// A form is one too: `curl -d '{…}'` says so, and the grammar of JSON then decides.
  var isJSON: Bool {
    self == .json || self == .mergePatch || self == .form
  }
}

extension ByteReader {
  /// token (RFC 9110 §5.6.2), in lower case.
  fileprivate mutating func mediaToken() -> String? {
    let range = take { byte in
      byte.isASCIIDigit || byte.isASCIILetter || "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
    guard !range.isEmpty else { return nil }
    return String(utf8: slice(range)).lowercased()
  }
}

/// What a request's `Accept` takes (RFC 9110 §12.5.1).
struct Acceptance {
  private struct Range {
    var type: String
    var subtype: String
    /// In thousandths.
    var quality: Int
  }

  private var ranges: [Range]?

  /// What the fields take; everything where they do not say.
  init(_ fields: HTTPFields) {
    guard let text = fields.list("accept") else { return }
    let bytes = Array(text.utf8)
    var reader = ByteReader(bytes.span)
    var ranges: [Range] = []
    while !reader.isAtEnd {
      let item = reader.slice(reader.take(upTo: 0x2C))
      reader.skip(1)
      if let range = Self.range(item) { ranges.append(range) }
    }
    // A field that names nothing readable takes everything, as if it were not there.
    if !ranges.isEmpty { self.ranges = ranges }
  }

  private static func range(_ item: Span<UInt8>) -> Range? {
    var reader = ByteReader(item)
    reader.skipBlanks()
    guard let type = reader.mediaToken(), reader.consume(0x2F), let subtype = reader.mediaToken()
    else { return nil }
    var range = Range(type: type, subtype: subtype, quality: 1000)
    while !reader.isAtEnd {
      _ = reader.take { $0.isBlank || $0 == 0x3B }
      let parameter = reader.slice(reader.take(upTo: 0x3B))
      var inner = ByteReader(parameter)
      if inner.consume(ignoringCase: "Q") && inner.consume(0x3D) {
        range.quality = quality(&inner)
      }
    }
    return range
  }

  /// qvalue, in thousandths; 1000 where it is none.
  private static func quality(_ reader: inout ByteReader) -> Int {
    guard let whole = reader.number() else { return 1000 }
    guard whole == 0 else { return 1000 }
    guard reader.consume(0x2E) else { return 0 }
    var value = 0
    for place in [100, 10, 1] {
      guard let digit = reader.next, digit.isASCIIDigit else { break }
      reader.skip(1)
      value += Int(digit - 0x30) * place
    }
    return value
  }

  /// How much `type` is wanted, in thousandths: the most specific range decides.
  func quality(of type: MediaType) -> Int {
    guard let ranges else { return 1000 }
    var best = (specificity: -1, quality: 0)
    for range in ranges {
      let specificity: Int
      if range.type == type.type && range.subtype == type.subtype {
        specificity = 2
      } else if range.type == type.type && range.subtype == "*" {
        specificity = 1
      } else if range.type == "*" && range.subtype == "*" {
        specificity = 0
      } else {
        continue
      }
      if specificity > best.specificity { best = (specificity, range.quality) }
    }
    return best.quality
  }

  /// The one of `offers` that is wanted most, the first of equals; throws where none is.
  func choose(_ offers: [MediaType]) throws(ServiceError) -> MediaType {
    guard ranges != nil, let first = offers.first else { return offers.first ?? .json }
    var best = (first, quality(of: first))
    for offer in offers.dropFirst() where quality(of: offer) > best.1 {
      best = (offer, quality(of: offer))
    }
    guard best.1 > 0 else {
      let names = offers.map { "\($0.type)/\($0.subtype)" }.joined(separator: ", ")
      throw ServiceError(.notAcceptable, "What is offered here is \(names).")
    }
    return best.0
  }
}
