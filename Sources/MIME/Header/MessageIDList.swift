import Bytes

/// The message IDs of `References`, `In-Reply-To` and `Message-ID` (RFC 5322 §3.6.4).
///
/// What is in brackets counts; phrases and comments around it, as old mailers wrote them into
/// `In-Reply-To`, are passed over. Only where no bracket stands are bare words with `@` taken.
package enum MessageIDList {
  /// The message IDs of a field body in order, without brackets, comments and white space.
  package static func parse(_ bytes: Span<UInt8>) -> [String] {
    var ids: [String] = []
    var position = 0
    while let open = bytes.firstIndex(of: 0x3C, from: position) {
      var end = open + 1
      while end < bytes.count, bytes[end] != 0x3E, bytes[end] != 0x3C { end += 1 }
      if let id = text(of: bytes.extracting(open + 1..<end)) { ids.append(id) }
      position = end
    }
    return position > 0 ? ids : parseBare(bytes)
  }

  /// Words with `@`, or a lone word, where no bracket stands.
  private static func parseBare(_ bytes: Span<UInt8>) -> [String] {
    var words: [String] = []
    var reader = ByteReader(bytes)
    reader.skipCFWS()
    while !reader.isAtEnd {
      let word = reader.take { !$0.isFieldSpace && $0 != 0x2C && $0 != 0x3B && $0 != 0x28 }
      if let id = text(of: reader.slice(word)) { words.append(id) }
      if reader.next == 0x2C || reader.next == 0x3B || reader.next == 0x3E { reader.skip(1) }
      reader.skipCFWS()
    }
    return words.count == 1 ? words : words.filter { $0.utf8.contains(0x40) }
  }

  /// An ID without the white space that folding put in; nil where nothing is left.
  private static func text(of bytes: Span<UInt8>) -> String? {
    var isClean = bytes.count > 0
    for index in 0..<bytes.count where bytes[index] <= .space || bytes[index] == 0x3E {
      isClean = false
    }
    if isClean { return String(headerBytes: bytes) }
    let kept = bytes.array.filter { $0 > .space && $0 != 0x3E }
    return kept.isEmpty ? nil : String(headerBytes: kept.span)
  }
}
