import Bytes

/// The value of a `Content-Disposition` field (RFC 2183).
package struct ContentDisposition: Hashable, Sendable {
  /// The disposition in lower case, such as `inline` or `attachment`.
  package var type: String
  /// The parameters in the order they come.
  package var parameters: [MIMEParameter]

  /// A disposition of a lower-case name.
  package init(_ type: String, _ parameters: [MIMEParameter] = []) {
    self.type = type
    self.parameters = parameters
  }

  /// The disposition that a field body spells; nil where it names none.
  package init?(parsing bytes: Span<UInt8>) {
    var reader = ByteReader(bytes)
    reader.skipCFWS()
    type = String(lowercasing: reader.slice(reader.token()))
    guard !type.isEmpty, reader.next != 0x3D else { return nil }
    parameters = [MIMEParameter](parsing: &reader)
  }

  /// The file name, decoded.
  package var filename: String? { parameters["filename"] }
}
