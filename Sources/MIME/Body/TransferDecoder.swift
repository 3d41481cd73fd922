import Bytes

/// A decoder of any transfer encoding, fed in chunks, so that content can be streamed.
package enum TransferDecoder: Sendable {
  case identity
  case base64(Base64Decoder)
  case quotedPrintable(QuotedPrintableDecoder)
  case uuencode(UUDecoder)

  /// A decoder that has read nothing; unknown encodings are passed on as they are.
  package init(_ encoding: TransferEncoding) {
    switch encoding {
    case .sevenBit, .eightBit, .binary, .unknown: self = .identity
    case .base64: self = .base64(Base64Decoder())
    case .quotedPrintable: self = .quotedPrintable(QuotedPrintableDecoder())
    case .uuencode: self = .uuencode(UUDecoder())
    }
  }

  /// Decodes a chunk, appending to `output`.
  package mutating func receive(_ chunk: Span<UInt8>, into output: inout [UInt8]) {
    switch self {
    case .identity:
      output.append(chunk)
    case .base64(var decoder):
      decoder.receive(chunk, into: &output)
      self = .base64(decoder)
    case .quotedPrintable(var decoder):
      self = .identity
      decoder.receive(chunk, into: &output)
      self = .quotedPrintable(decoder)
    case .uuencode(var decoder):
      self = .identity
      decoder.receive(chunk, into: &output)
      self = .uuencode(decoder)
    }
  }

  /// Ends the content, appending what was held back.
  package mutating func finish(into output: inout [UInt8]) {
    switch self {
    case .identity: break
    case .base64(var decoder):
      decoder.finish(into: &output)
      self = .base64(decoder)
    case .quotedPrintable(var decoder):
      decoder.finish(into: &output)
      self = .quotedPrintable(decoder)
    case .uuencode(var decoder):
      decoder.finish(into: &output)
      self = .uuencode(decoder)
    }
  }

  /// What was wrong with the content so far; complete after `finish`.
  package var defect: Defect.Kind? {
    switch self {
    case .identity: nil
    case .base64(let decoder): decoder.isMalformed ? .malformedBase64 : nil
    case .quotedPrintable(let decoder): decoder.isMalformed ? .malformedQuotedPrintable : nil
    case .uuencode(let decoder): decoder.isMalformed ? .malformedUUEncode : nil
    }
  }

  /// The content of `bytes`, and what was wrong with it.
  package static func decode(
    _ bytes: Span<UInt8>,
    from encoding: TransferEncoding
  ) -> (content: [UInt8], defect: Defect.Kind?) {
    var decoder = TransferDecoder(encoding)
    var content: [UInt8] = []
    decoder.receive(bytes, into: &content)
    decoder.finish(into: &content)
    return (content, decoder.defect)
  }
}
