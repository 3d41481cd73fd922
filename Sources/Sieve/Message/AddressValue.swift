import Bytes
import MIME

/// An address of a message or an envelope, cut into what tests compare (RFC 5228 §2.7.4).
final class AddressValue: Sendable {
  /// The address without display name and comments.
  let all: Text
  /// What stands before the last `@`, its quotes resolved; nil where the address is not valid
  /// (RFC 5228 §2.7.4).
  let localPart: Text?
  /// What stands behind it; nil where the address is not valid.
  let domain: Text?

  /// The address that an addr-spec spells, the quotes of its local part resolved.
  init(_ specification: String) {
    let bytes = [UInt8](specification.utf8)
    all = Text(bytes)
    guard let at = bytes.lastIndex(of: 0x40), at > 0, at < bytes.count - 1 else {
      localPart = nil
      domain = nil
      return
    }
    localPart = Text(Self.unquoted(bytes[..<at]))
    domain = Text([UInt8](bytes[(at + 1)...]))
  }

  /// The addresses of a field body.
  static func list(_ body: Span<UInt8>) -> [AddressValue] {
    parseAddressList(body).compactMap { $0.email.isEmpty ? nil : AddressValue($0.email) }
  }

  private static func unquoted(_ local: ArraySlice<UInt8>) -> [UInt8] {
    guard local.count >= 2, local.first == .quote, local.last == .quote else {
      return [UInt8](local)
    }
    var text: [UInt8] = []
    var isEscaped = false
    for byte in local.dropFirst().dropLast() {
      if byte == .backslash, !isEscaped {
        isEscaped = true
      } else {
        text.append(byte)
        isEscaped = false
      }
    }
    return text
  }
}
