import Bytes
import HTTP
import Model

/// What a `Range` field asks of a body of known length (RFC 9110 §14).
enum ByteRange: Equatable {
  /// No range, or one that is not to be heeded: the whole body.
  case whole
  /// These bytes, at least one.
  case part(Range<Int>)
  /// No byte of the body stands in the range.
  case unsatisfiable

  /// What `fields` ask of a body of `length` bytes with the tag `tag`.
  ///
  /// Several ranges, another unit and an `If-Range` that names another version give the whole body, as
  /// RFC 9110 §14.2 allows or asks.
  init(_ fields: HTTPFields, length: Int, tag: ETag) {
    if let condition = fields["if-range"], condition != tag.field {
      self = .whole
      return
    }
    self = fields.withValue(of: "range") { Self.parse($0, length: length) } ?? .whole
  }

  private static func parse(_ text: Span<UInt8>, length: Int) -> ByteRange {
    var reader = ByteReader(text)
    guard reader.consume(ignoringCase: "BYTES"), reader.consume(0x3D) else { return .whole }
    reader.skipBlanks()
    let first = reader.number()
    guard reader.consume(0x2D) else { return .whole }
    let last = reader.number()
    reader.skipBlanks()
    guard reader.isAtEnd else { return .whole }
    switch (first, last) {
    case (nil, nil):
      return .whole
    case (nil, .some(let suffix)):
      guard suffix > 0, length > 0 else { return .unsatisfiable }
      return .part((length - min(Int(clamping: suffix), length))..<length)
    case (.some(let first), let last):
      if let last, last < first { return .whole }
      guard first < UInt64(length) else { return .unsatisfiable }
      let end = last.map { min(Int(clamping: $0), length - 1) } ?? length - 1
      return .part(Int(first)..<(end + 1))
    }
  }
}
