import Bytes

/// Takes the stuffed dots out of a message's text and finds its end (RFC 1939 §3), piece by piece.
///
///     S: Subject: x␍␊
///     S: ␍␊
///     S: ..signature␍␊          one dot of the two belongs to the message
///     S: .␍␊                    the end, which does not
///
/// A line ends by CRLF and nothing else: a message may hold `LF . LF`, and if that ended it, its sender
/// could write the answers to our next commands. Only where the server's own reply ended by a bare LF
/// (leniency `bareLineEnds`) do the lines of the text as well.
struct POP3TextDecoder: Sendable {
  private enum Place {
    case lineStart
    /// After a dot at the start of a line, which is held back.
    case dot
    /// After a dot and a CR, both held back.
    case dotCR
    case middle
  }

  /// Whether lines end by LF alone.
  let endsLinesByLF: Bool
  private var place = Place.lineStart
  /// Whether the last byte of what was decoded in the middle of a line was a CR.
  private var endsByCR = false

  private static let stop: UInt8 = 0x2E

  init(endsLinesByLF: Bool) { self.endsLinesByLF = endsLinesByLF }

  /// Whether the text up to here ends with a line's end, as a whole message does.
  var isAtLineStart: Bool { place == .lineStart }

  /// Appends the message's bytes in `input`; how many bytes of it there are up to the end of the final
  /// dot's line, nil where that is still to come.
  mutating func decode(_ input: Span<UInt8>, into output: inout [UInt8]) -> Int? {
    var position = 0
    var kept = 0  // From here on nothing is appended yet.
    while position < input.count {
      switch place {
      case .lineStart:
        guard input[position] == Self.stop else {
          place = .middle
          endsByCR = false
          continue
        }
        output.append(input.extracting(kept..<position))
        position += 1
        kept = position
        place = .dot
      case .dot:
        if input[position] == .lf { return position + 1 }
        if input[position] == .cr {
          position += 1
          kept = position
          place = .dotCR
        } else {
          kept = position
          place = .middle
          endsByCR = false
        }
      case .dotCR:
        if input[position] == .lf { return position + 1 }
        output.append(.cr)
        kept = position
        place = .middle
        endsByCR = true
      case .middle:
        position = skipLine(input, from: position)
      }
    }
    output.append(input.extracting(min(kept, input.count)..<input.count))
    return nil
  }

  /// Goes to the end of the line, or of the input.
  private mutating func skipLine(_ input: Span<UInt8>, from position: Int) -> Int {
    guard let end = input.firstIndex(of: .lf, from: position) else {
      endsByCR = input[input.count - 1] == .cr
      return input.count
    }
    let follows = end > position ? input[end - 1] == .cr : endsByCR
    if follows || endsLinesByLF {
      place = .lineStart
    } else {
      endsByCR = false
    }
    return end + 1
  }
}
