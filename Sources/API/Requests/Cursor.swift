import Bytes
import Crypto
import Model

/// A value of the key that a page of a list ends with.
enum CursorValue: Equatable {
  case int(Int64)
  case text(String)
}

/// Signs and checks the cursors of lists.
///
/// A cursor is base64url of a version byte, the key of the last item (each value with a tag before it) and
/// the first 16 bytes of an HMAC-SHA256 over these and the list they belong to: the path, the filters,
/// the order. So a cursor can be neither made up nor used for another list.
struct CursorCoder: Sendable {
  private let key: [UInt8]

  private static let version: UInt8 = 1
  private static let signatureLength = 16
  private static let intTag: UInt8 = 0x69
  private static let textTag: UInt8 = 0x74

  /// A coder that signs with `key`.
  init(key: [UInt8]) { self.key = key }

  /// The cursor for what comes after `values` in the list that `list` names.
  func encode(_ values: [CursorValue], list: String) -> String {
    var bytes = [Self.version]
    for value in values {
      switch value {
      case .int(let number):
        bytes.append(Self.intTag)
        Self.append(UInt64(bitPattern: number), bytes: 8, to: &bytes)
      case .text(let text):
        bytes.append(Self.textTag)
        Self.append(UInt64(text.utf8.count), bytes: 4, to: &bytes)
        bytes.append(text: text)
      }
    }
    bytes.append(contentsOf: signature(of: bytes, list: list))
    return String(decoding: Base64.url.encode(bytes.span), as: UTF8.self)
  }

  /// The values in `cursor`; throws `cursor_invalid` where this service did not sign it for `list`.
  func decode(_ cursor: String, list: String) throws(ServiceError) -> [CursorValue] {
    let text = Array(cursor.utf8)
    guard text.count <= 4096, var bytes = Base64.url.decode(text.span),
      bytes.count > Self.signatureLength
    else { throw Self.invalid }
    let given = Array(bytes.suffix(Self.signatureLength))
    bytes.removeLast(Self.signatureLength)
    let wanted = signature(of: bytes, list: list)
    guard constantTimeEqual(given.span, wanted.span), let values = Self.values(bytes) else {
      throw Self.invalid
    }
    return values
  }

  static let invalid = ServiceError(
    .cursorInvalid,
    "The cursor is not one that this list gave; start again without it.",
    fields: [FieldError(pointer: "?cursor", code: "format", detail: "No cursor of this list.")]
  )

  private func signature(of bytes: [UInt8], list: String) -> [UInt8] {
    var signed = Array(list.utf8)
    signed.append(0)
    signed.append(contentsOf: bytes)
    return Array(HMAC.sha256(key: key.span, signed.span).prefix(Self.signatureLength))
  }

  private static func append(_ number: UInt64, bytes count: Int, to bytes: inout [UInt8]) {
    for shift in stride(from: (count - 1) * 8, through: 0, by: -8) {
      bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(shift)))
    }
  }

  private static func values(_ bytes: [UInt8]) -> [CursorValue]? {
    var reader = ByteReader(bytes.span)
    guard reader.consume(version) else { return nil }
    var values: [CursorValue] = []
    while let tag = reader.byte() {
      guard tag == intTag || tag == textTag,
        let number = reader.bigEndian(tag == intTag ? 8 : 4)
      else { return nil }
      if tag == intTag {
        values.append(.int(Int64(bitPattern: number)))
      } else {
        guard number <= UInt64(reader.remaining) else { return nil }
        let start = reader.position
        reader.skip(Int(number))
        values.append(.text(String(utf8: reader.slice(start..<reader.position))))
      }
    }
    return values
  }
}

extension ByteReader {
  /// A number of `count` bytes, the highest first.
  fileprivate mutating func bigEndian(_ count: Int) -> UInt64? {
    guard remaining >= count else { return nil }
    var value: UInt64 = 0
    for _ in 0..<count { value = value << 8 | UInt64(byte() ?? 0) }
    return value
  }
}
