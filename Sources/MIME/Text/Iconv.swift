import Bytes
import CIconv
import Synchronization

#if canImport(Glibc)
import Glibc
#endif

/// Conversion to UTF-8 by the C library's iconv.
enum Iconv {
  /// The text that `bytes` spell in a charset; nil where iconv does not know it.
  ///
  /// Each byte that can't be read becomes U+FFFD, so none is lost unseen.
  static func decode(_ bytes: Span<UInt8>, charset: String) -> DecodedText? {
    guard isPlausible(charset), let converter = Converter(charset: charset) else { return nil }
    keepLoaded(charset)
    let (output, isMalformed) = unsafe bytes.withUnsafeBytes { unsafe converter.convert($0) }
    let isValid = (try? UTF8Span(validating: output.span)) != nil  // Only whether, not why.
    return DecodedText(
      String(decoding: output, as: UTF8.self),
      problem: isMalformed || !isValid ? .malformedText : nil
    )
  }

  /// The charsets that stay loaded.
  private static let loaded = Mutex<Set<String>>([])
  /// How many of them at most: a table each, tens of kilobytes.
  private static let loadedLimit = 24

  /// Keeps one descriptor of a charset open for good.
  ///
  /// The C library loads a charset's table as a shared object, and unloads it with the last
  /// descriptor: that took more time than all of the decoding.
  private static func keepLoaded(_ charset: String) {
    let isNew = loaded.withLock {
      $0.count < loadedLimit && $0.insert(charset).inserted
    }
    if isNew { Converter(charset: charset)?.keepOpen() }
  }

  /// Whether a name from a message may reach `iconv_open`: its `/` would carry options.
  private static func isPlausible(_ name: String) -> Bool {
    (1...40).contains(name.utf8.count)
      && name.utf8.allSatisfy {
        $0.isASCIILetter || $0.isASCIIDigit || $0 == 0x2D || $0 == 0x5F || $0 == 0x2E
          || $0 == 0x3A || $0 == 0x2B
      }
  }
}

/// An open iconv descriptor, closed when it goes.
@safe private struct Converter: ~Copyable {
  private let descriptor: iconv_t

  init?(charset: String) {
    guard let descriptor = unsafe iconv_open("UTF-8", charset),
      Int(bitPattern: descriptor) != -1
    else { return nil }
    unsafe self.descriptor = descriptor
  }

  deinit {
    unsafe iconv_close(descriptor)
  }

  /// Never closes it.
  consuming func keepOpen() { discard self }

  /// The UTF-8 of `input`, and whether a byte of it could not be read.
  func convert(_ input: UnsafeRawBufferPointer) -> (output: [UInt8], isMalformed: Bool) {
    var output: [UInt8] = []
    output.reserveCapacity(input.count + input.count / 2)
    var isMalformed = false
    // iconv takes a mutable pointer by an old accident of C; it does not write through it.
    var source = unsafe UnsafeMutablePointer(
      mutating: input.baseAddress?.assumingMemoryBound(to: CChar.self)
    )
    var left = input.count
    while left > 0 {
      guard let failure = unsafe step(&source, &left, into: &output) else { break }
      if failure == E2BIG { continue }
      isMalformed = true
      output.append(contentsOf: [0xEF, 0xBF, 0xBD])
      guard failure == EILSEQ, left > 0 else { break }
      unsafe source = source?.advanced(by: 1)
      left -= 1
    }
    // Stateful charsets hold the last character back until they are told that there is no more.
    var none: UnsafeMutablePointer<CChar>?
    var nothing = 0
    _ = unsafe step(&none, &nothing, into: &output)
    return (output, isMalformed)
  }

  /// One call of iconv with room of its own; the error number where it stopped early.
  private func step(
    _ source: inout UnsafeMutablePointer<CChar>?,
    _ left: inout Int,
    into output: inout [UInt8]
  ) -> Int32? {
    let room = max(left * 2, 64)
    var failure: Int32?
    unsafe output += [UInt8](unsafeUninitializedCapacity: room) { buffer, written in
      unsafe buffer.withMemoryRebound(to: CChar.self) { target in
        var free = room
        var next = target.baseAddress
        if unsafe iconv(descriptor, &source, &left, &next, &free) == -1 { failure = errno }
        written = room - free
      }
    }
    return failure
  }
}
