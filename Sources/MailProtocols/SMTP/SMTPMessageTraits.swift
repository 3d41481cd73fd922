import Bytes

/// What MAIL says about the message that follows.
package struct SMTPMessageTraits: Equatable, Sendable {
  /// The size in bytes with CRLF line ends, before dot-stuffing (RFC 1870 §6.1).
  package var size: Int
  /// Whether a byte above 127 is in it.
  package var hasEightBitBytes: Bool
  /// Whether the header holds such bytes and they are UTF-8, as RFC 6532 allows.
  package var hasUTF8Header: Bool

  /// The traits of a message that is not at hand as a whole.
  package init(size: Int, hasEightBitBytes: Bool, hasUTF8Header: Bool = false) {
    self.size = size
    self.hasEightBitBytes = hasEightBitBytes
    self.hasUTF8Header = hasUTF8Header
  }

  /// The traits of `message`.
  package init(of message: Span<UInt8>) {
    var size = message.count
    var hasEightBitBytes = false
    var headerEnd: Int?
    var previous: UInt8 = 0
    var lineStart = 0
    for index in message.indices {
      let byte = message[index]
      if byte >= 0x80 { hasEightBitBytes = true }
      if byte == .lf {
        if previous != .cr { size += 1 }
        if headerEnd == nil, index - lineStart - (previous == .cr ? 1 : 0) <= 0 {
          headerEnd = lineStart
        }
        lineStart = index + 1
      } else if previous == .cr {
        size += 1
      }
      previous = byte
    }
    if previous == .cr { size += 1 }
    if previous != .cr, previous != .lf, !message.isEmpty { size += 2 }
    self.size = size
    self.hasEightBitBytes = hasEightBitBytes
    hasUTF8Header = false
    let header = message.extracting(0..<(headerEnd ?? message.count))
    if hasEightBitBytes { hasUTF8Header = header.isNonASCIIUTF8 }
  }
}

extension Span<UInt8> {
  fileprivate var isNonASCIIUTF8: Bool {
    for index in indices where self[index] >= 0x80 {
      do {
        _ = try UTF8Span(validating: self)
        return true
      } catch {
        return false
      }
    }
    return false
  }
}
