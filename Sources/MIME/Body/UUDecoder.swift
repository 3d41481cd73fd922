import Bytes

/// A decoder of uuencoded text, the encoding of Usenet and of old mail, fed in chunks of any size.
///
/// What stands before `begin` and after `end` is no content.
package struct UUDecoder: Sendable {
  /// Whether `begin` or `end` was missing, or a line shorter than it says.
  package private(set) var isMalformed = false
  private var line: [UInt8] = []
  private var phase = Phase.before

  private enum Phase {
    case before
    case inside
    case after
  }

  /// The bytes of a line looked at: its count character allows no more than 85.
  private static let longestLine = 128

  /// A decoder that has read nothing.
  package init() {}

  /// Decodes a chunk, appending to `output`.
  package mutating func receive(_ chunk: Span<UInt8>, into output: inout [UInt8]) {
    for index in chunk.indices {
      let byte = chunk[index]
      if byte == .lf {
        endLine(to: &output)
      } else if byte != .cr, line.count < Self.longestLine {
        line.append(byte)
      }
    }
  }

  /// Ends the text.
  package mutating func finish(into output: inout [UInt8]) {
    endLine(to: &output)
    if phase != .after { isMalformed = true }
  }

  private mutating func endLine(to output: inout [UInt8]) {
    defer { line.removeAll(keepingCapacity: true) }
    switch phase {
    case .before:
      if line.starts(with: "begin ".utf8) { phase = .inside }
    case .inside:
      if line.elementsEqual("end".utf8) {
        phase = .after
      } else if !line.isEmpty {
        decodeLine(to: &output)
      }
    case .after: break
    }
  }

  private mutating func decodeLine(to output: inout [UInt8]) {
    let count = Int((line[0] &- 0x20) & 0x3F)
    var left = count
    var index = 1
    while left > 0 {
      guard index < line.count else {
        isMalformed = true
        return
      }
      var group: UInt32 = 0
      for offset in 0..<4 {
        // Transport drops trailing spaces, which stand for zero.
        let digit = index + offset < line.count ? line[index + offset] : .space
        group = group << 6 | UInt32((digit &- 0x20) & 0x3F)
      }
      for shift in [16, 8, 0] where left > 0 {
        output.append(UInt8(truncatingIfNeeded: group >> UInt32(shift)))
        left -= 1
      }
      index += 4
    }
  }
}
