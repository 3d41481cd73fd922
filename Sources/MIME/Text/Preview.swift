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
    var unquoted: [UInt8] = []
    for line in plain.utf8.prefix(mostBytes).split(separator: .lf) {
      if isSignatureMark(line) { break }
      if line.first == 0x3E { continue }
      unquoted.append(contentsOf: line)
      unquoted.append(.space)
    }
    let preview = collapsed(String(decoding: unquoted, as: UTF8.self), limit: limit)
    return preview.isEmpty ? collapsed(plain, limit: limit) : preview
  }

  private static func isSignatureMark(_ line: Substring.UTF8View) -> Bool {
    line.elementsEqual("-- ".utf8) || line.elementsEqual("-- \r".utf8)
  }

  /// The text with each run of white space as one space, cut at `limit` scalars.
  private static func collapsed(_ text: String, limit: Int) -> String {
    var output = String.UnicodeScalarView()
    var count = 0
    var isSpaceDue = false
    for scalar in text.unicodeScalars {
      if scalar.properties.isWhitespace || scalar.value < 0x20 || scalar.value == 0x7F {
        isSpaceDue = count > 0
        continue
      }
      guard !isFiller(scalar), !(isJoiner(scalar) && isSpaceDue) else { continue }
      let needed = isSpaceDue ? 2 : 1
      guard count + needed <= limit else { break }
      if isSpaceDue { output.append(" ") }
      output.append(scalar)
      count += needed
      isSpaceDue = false
    }
    return String(output)
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
