import Bytes

/// A decoder of quoted-printable text (RFC 2045 §6.7), fed in chunks of any size.
///
/// An escape that is none stays as it is written and counts as a defect. Blanks before a line break
/// are dropped, for the RFC says that transport added them.
package struct QuotedPrintableDecoder: Sendable {
  /// Whether an escape was none.
  package private(set) var isMalformed = false
  /// Blanks or an escape whose meaning depends on what follows.
  private var pending: [UInt8] = []

  /// The blanks held back at most: a longer run is content, whatever the RFC says.
  private static let longestBlanks = 998

  /// A decoder that has read nothing.
  package init() {}

  /// Decodes a chunk, appending to `output`.
  package mutating func receive(_ chunk: Span<UInt8>, into output: inout [UInt8]) {
    output.reserveCapacity(output.count + chunk.count)
    var index = 0
    while index < chunk.count {
      if pending.isEmpty {
        index = decodeSettled(chunk, from: index, into: &output)
        guard index < chunk.count else { return }
      }
      resolve(chunk[index], to: &output)
      index += 1
    }
  }

  /// Decodes as long as the bytes that follow in the chunk settle what each means; where that ends.
  ///
  /// Nearly all text does, and goes over in runs.
  private func decodeSettled(
    _ chunk: Span<UInt8>,
    from start: Int,
    into output: inout [UInt8]
  ) -> Int {
    var (run, index) = (start, start)
    scan: while index < chunk.count {
      let byte = chunk[index]
      guard byte == 0x3D || byte.isBlank || byte == .cr else {
        index += 1
        continue
      }
      guard index + 1 < chunk.count else { break }
      let next = chunk[index + 1]
      switch byte {
      case .cr where next == .lf: index += 2
      case .cr: break scan
      case 0x3D:
        guard index + 2 < chunk.count else { break scan }
        let last = chunk[index + 2]
        let isBreak = next == .cr && last == .lf
        let escaped = next.hexValue.flatMap { high in last.hexValue.map { high << 4 | $0 } }
        guard isBreak || escaped != nil else { break scan }
        output.append(chunk.extracting(run..<index))
        if let escaped { output.append(escaped) }
        index += 3
        run = index
      default:
        guard !next.isBlank, next != .cr, next != .lf else { break scan }
        index += 1
      }
    }
    output.append(chunk.extracting(run..<index))
    return index
  }

  /// Ends the text: blanks at its end are dropped, a cut escape is kept as a defect.
  package mutating func finish(into output: inout [UInt8]) {
    if pending.first == 0x3D, pending.count > 1, !pending[1].isBlank, pending[1] != .cr {
      isMalformed = true
      output += pending
    } else if pending.last == .cr, pending.first != 0x3D {
      output.append(.cr)
    }
    pending = []
  }

  /// Decides on what is pending now that the next byte is known.
  private mutating func resolve(_ byte: UInt8, to output: inout [UInt8]) {
    guard pending.first == 0x3D else {
      resolveBlanks(byte, to: &output)
      return
    }
    if byte == .lf, pending.dropFirst().allSatisfy({ $0.isBlank || $0 == .cr }) {
      pending.removeAll(keepingCapacity: true)  // A soft line break.
    } else if pending.count == 1, byte.hexValue != nil {
      pending.append(byte)
    } else if pending.count == 2, let high = pending[1].hexValue, let low = byte.hexValue {
      output.append(high << 4 | low)
      pending.removeAll(keepingCapacity: true)
    } else if byte.isBlank || byte == .cr, pending.count < Self.longestBlanks,
      pending.dropFirst().allSatisfy({ $0.isBlank })
    {
      pending.append(byte)
    } else {
      giveUpEscape(before: byte, to: &output)
    }
  }

  /// Keeps an escape that is none as written, and reads `byte` anew.
  private mutating func giveUpEscape(before byte: UInt8, to output: inout [UInt8]) {
    isMalformed = true
    output += pending
    pending.removeAll(keepingCapacity: true)
    resolveBlanks(byte, to: &output)
  }

  private mutating func resolveBlanks(_ byte: UInt8, to output: inout [UInt8]) {
    let endsInCR = pending.last == .cr
    if byte == .lf {
      if endsInCR { output.append(.cr) }
      output.append(.lf)
      pending.removeAll(keepingCapacity: true)
    } else if !endsInCR, byte == .cr || (byte.isBlank && pending.count < Self.longestBlanks) {
      pending.append(byte)
    } else {
      output += pending
      pending.removeAll(keepingCapacity: true)
      if byte == 0x3D || byte.isBlank || byte == .cr {
        pending.append(byte)
      } else {
        output.append(byte)
      }
    }
  }
}
