import Bytes
import MailProtocols
import MIME

extension BodyPart {
  /// The tree that a server's BODYSTRUCTURE tells (RFC 3501 §7.4.2).
  ///
  /// Embedded messages are leaves.
  ///
  /// The size of a base64 part is what its content comes to when decoded, give or take its line ends.
  init(_ structure: BodyStructure, path: PartPath = PartPath()) {
    let type = structure.type + "/" + structure.subtype
    let isMultipart = structure.isMultipart
    let ownPath = path.numbers.isEmpty && !isMultipart ? PartPath([1]) : path
    let disposition = structure.disposition
    let encoding = TransferEncoding(name: structure.transferEncoding)
    self.init(
      partID: isMultipart ? nil : ownPath.description,
      type: type,
      size: structure.size,
      name: disposition.flatMap { Self.value("filename", of: $0.parameters) }
        ?? Self.value("name", of: structure.parameters),
      charset: structure.type == "text"
        ? Self.value("charset", of: structure.parameters) ?? "us-ascii" : nil,
      transferEncoding: encoding,
      disposition: disposition?.kind,
      contentID: structure.contentID.map { Self.withoutBrackets($0) },
      language: structure.languages.isEmpty ? nil : structure.languages,
      location: structure.location.map { String(utf8: $0.span) },
      subParts: isMultipart
        ? structure.parts.indices.map { index in
          BodyPart(structure.parts[index], path: path.appending(index + 1))
        } : nil
    )
  }

  /// The value of a parameter, decoded.
  private static func value(_ name: String, of parameters: [BodyParameter]) -> String? {
    // Most servers tell few parameters, of which none is continued or encoded (RFC 2231).
    if !parameters.contains(where: { $0.name.utf8.contains(0x2A) }) {
      return parameters.first { $0.name == name }.map { EncodedWords.decode($0.value.span) }
    }
    return ContentType(parsing: field(parameters).span)?.parameters[name]
  }

  /// The parameters as a header field would have them, for the one parser of RFC 2231 and its leniencies.
  private static func field(_ parameters: [BodyParameter]) -> [UInt8] {
    var field = [UInt8]("x/x".utf8)
    for parameter in parameters {
      field.append("; ")
      field.append(text: parameter.name)
      field.append(0x3D)
      if parameter.name.hasSuffix("*") {
        field += parameter.value
      } else {
        field.append(.quote)
        for byte in parameter.value {
          if byte == .quote || byte == .backslash { field.append(.backslash) }
          field.append(byte)
        }
        field.append(.quote)
      }
    }
    return field
  }

  private static func withoutBrackets(_ id: [UInt8]) -> String {
    MessageIDList.parse(id.span).first ?? String(utf8: id.span)
  }
}
