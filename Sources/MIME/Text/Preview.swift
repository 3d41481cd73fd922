import Bytes

/// The plain-text fragment that a list shows of a message (RFC 8621 §4.1.4 `preview`).
package enum Preview {
  /// The beginning of `text`, white space collapsed; of HTML, its text only.
  ///
  /// At most `limit` Unicode scalars. Quoted lines and what follows a signature's dashes are left
  /// out, unless nothing else stands there.
  package static func text(from text: String, isHTML: Bool = false, limit: Int = 256) -> String {
    // Enough for the preview even where most lines are quotes, and a bound on the work.
    let mostBytes = 64 << 10
    let plain = isHTML ? HTMLText.plainText(text, limit: mostBytes) : text
    // Most texts have enough of it in their first lines.
    let begun = collapsed(unquoted(plain, upTo: min(limit * 6, mostBytes)), limit: limit)
    if begun.unicodeScalars.count == limit { return begun }
    let preview = collapsed(unquoted(plain, upTo: mostBytes), limit: limit)
    return preview.isEmpty ? collapsed(plain, limit: limit) : preview
  }

  /// The lines that begin within the first `count` bytes and are neither quoted nor of the signature.
  private static func unquoted(_ text: String, upTo count: Int) -> String {
    var text = text
    let kept = text.withUTF8 { bytes in
      var kept: [UInt8] = []
      var line = 0
      let end = min(64 << 10, bytes.count)
      while line < min(count, end) {
        let next = unsafe bytes[line..<end].firstIndex(of: .lf) ?? end
        let content = unsafe bytes[line..<next]
        line = next + 1
        if unsafe isSignatureMark(content) { break }
        if unsafe content.first == 0x3E || content.isEmpty { continue }
        unsafe kept.append(contentsOf: content)
        kept.append(.space)
      }
      return kept
    }
    return String(decoding: kept, as: UTF8.self)
  }

  private static func isSignatureMark(_ line: some Collection<UInt8>) -> Bool {
    line.count < 5 && (line.elementsEqual("-- ".utf8) || line.elementsEqual("-- \r".utf8))
  }

  /// The text with each run of white space as one space, cut at `limit` scalars.
  private static func collapsed(_ text: String, limit: Int) -> String {
    var output: [UInt8] = []
    output.reserveCapacity(limit * 2)
    var count = 0
    var isSpaceDue = false
    for scalar in text.unicodeScalars {
      if isBlank(scalar) {
        isSpaceDue = count > 0
        continue
      }
      guard !isFiller(scalar), !(isJoiner(scalar) && isSpaceDue) else { continue }
      let needed = isSpaceDue ? 2 : 1
      guard count + needed <= limit else { break }
      if isSpaceDue { output.append(.space) }
      if scalar.isASCII {
        output.append(UInt8(truncatingIfNeeded: scalar.value))
      } else {
        output.append(contentsOf: String(scalar).utf8)
      }
      count += needed
      isSpaceDue = false
    }
    return String(decoding: output, as: UTF8.self)
  }

  /// Whether a scalar is white space (Unicode's White_Space) or a control of ASCII.
  private static func isBlank(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case ...0x20, 0x7F, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000:
      true
    default: false
    }
  }

  /// Whether a scalar only pads: newsletters fill their preview text with them.
  private static func isFiller(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x00AD, 0x034F, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF, 0xFFFD: true
    default: false
    }
  }

  /// Whether a scalar means something only between two others.
  private static func isJoiner(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value == 0x200C || scalar.value == 0x200D
  }
}
