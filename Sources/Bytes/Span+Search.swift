#if canImport(Glibc)
import Glibc
#endif

extension Span<UInt8> {
  /// Where `byte` comes next at or after `start`, by `memchr`; nil where it does not.
  package func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
    guard start >= 0, start < count else { return nil }
    return unsafe withUnsafeBufferPointer { buffer -> Int? in
      guard let base = buffer.baseAddress,
        let found = unsafe memchr(base + start, Int32(byte), buffer.count - start)
      else { return nil }
      return unsafe UnsafeRawPointer(found) - UnsafeRawPointer(base)
    }
  }

  /// The bytes as an array of their own.
  @inlinable
  package var array: [UInt8] {
    unsafe withUnsafeBufferPointer { buffer in unsafe [UInt8](buffer) }
  }

  /// Whether the bytes equal those of `other`.
  package func elementsEqual(_ other: Span<UInt8>) -> Bool {
    guard count == other.count, count > 0 else { return count == other.count }
    return unsafe withUnsafeBufferPointer { one in
      unsafe other.withUnsafeBufferPointer { other in
        guard let first = one.baseAddress, let second = other.baseAddress else { return false }
        return unsafe memcmp(first, second, one.count) == 0
      }
    }
  }

  /// Whether the bytes are `text`, written in lower case, in any ASCII case.
  package func equalsIgnoringCase(_ text: StaticString) -> Bool {
    guard count == text.utf8CodeUnitCount else { return false }
    for index in 0..<count {
      let wanted = unsafe text.utf8Start[index]
      guard self[index].asciiLowercased == wanted else { return false }
    }
    return true
  }

  /// The bytes without leading and trailing spaces and tabs.
  package var trimmingBlanks: Range<Int> {
    var start = 0
    var end = count
    while start < end, self[start].isBlank { start += 1 }
    while end > start, self[end - 1].isBlank { end -= 1 }
    return start..<end
  }
}

extension String {
  /// The text that `bytes` spell in UTF-8, each ill-formed sequence replaced by U+FFFD.
  package init(utf8 bytes: Span<UInt8>) {
    if let valid = try? UTF8Span(validating: bytes) {  // What is ill-formed is repaired below.
      self.init(copying: valid)
    } else {
      self = unsafe bytes.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }
  }
}
