import Testing

/// Bytes as a header or a body has them, and what they mean.
struct Fixture<Value: Sendable>: Sendable, CustomTestStringConvertible {
  let wire: [UInt8]
  let value: Value

  init(_ wire: String, _ value: Value) {
    self.wire = [UInt8](wire.utf8)
    self.value = value
  }

  init(_ wire: [UInt8], _ value: Value) {
    self.wire = wire
    self.value = value
  }

  var testDescription: String { String(decoding: wire, as: UTF8.self) }
}

/// The bytes of `text` in Latin-1, to write eight-bit text in tests.
func latin1(_ text: String) -> [UInt8] {
  text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
}
