import Bytes
import CXML

/// Reads the elements of an XML file with their attributes, and nothing else of it.
///
/// The parser is libxml2's reader, which is given nothing that it could expand or fetch: a document type declaration, the one place
/// where entities are declared, is refused before it is parsed, the text is taken as UTF-8 whatever it says of itself, and
/// the network is off.
enum FilterXML {
  /// An element as it begins.
  struct Element {
    var name: String
    var depth: Int
    /// By their names without prefixes.
    var attributes: [(name: String, value: String)]

    subscript(_ name: String) -> String? { attributes.first { $0.name == name }?.value }
  }

  /// The elements in their order.
  static func elements(
    of bytes: [UInt8],
    limits: FilterFileLimits
  ) throws(FilterFileError) -> [Element] {
    guard String(validating: bytes, as: UTF8.self) != nil, !bytes.contains(0) else {
      throw FilterFileError("It is not XML in UTF-8.")
    }
    guard !hasDeclaration(bytes) else {
      throw FilterFileError("It has a document type declaration, which is not read here.")
    }
    let most = limits.filters * limits.parts
    let result: Result<[Element], FilterFileError> = unsafe bytes.withUnsafeBytes { buffer in
      let options =
        XML_PARSE_NONET.rawValue | XML_PARSE_IGNORE_ENC.rawValue | XML_PARSE_NOERROR.rawValue
        | XML_PARSE_NOWARNING.rawValue
      guard
        let reader = unsafe xmlReaderForMemory(
          buffer.baseAddress?.assumingMemoryBound(to: CChar.self),
          Int32(clamping: buffer.count),
          nil,
          "UTF-8",
          Int32(bitPattern: options)
        )
      else { return .failure(FilterFileError("It is not XML.")) }
      defer { unsafe xmlFreeTextReader(reader) }
      return unsafe read(reader, most, limits.depth)
    }
    return try result.get()
  }

  /// `<!DOCTYPE` or `<!ENTITY`, wherever it stands.
  private static func hasDeclaration(_ bytes: [UInt8]) -> Bool {
    let span = bytes.span
    var start = 0
    while let found = span.firstIndex(of: 0x3C, from: start) {
      start = found + 1
      let rest = bytes[start...].prefix(8).map(\.asciiLowercased)
      if rest.starts(with: "!doctype".utf8) || rest.starts(with: "!entity".utf8) { return true }
    }
    return false
  }

  private static func read(
    _ reader: xmlTextReaderPtr,
    _ most: Int,
    _ depth: Int
  ) -> Result<[Element], FilterFileError> {
    var elements: [Element] = []
    while true {
      let state = unsafe xmlTextReaderRead(reader)
      if state == 0 { return .success(elements) }
      guard state == 1 else {
        let line = unsafe Int(xmlTextReaderGetParserLineNumber(reader))
        return .failure(FilterFileError("It is not XML.", line: line))
      }
      guard unsafe xmlTextReaderNodeType(reader) == Int32(XML_READER_TYPE_ELEMENT.rawValue) else {
        continue
      }
      let place = unsafe Int(xmlTextReaderDepth(reader))
      guard place <= depth, elements.count < most else {
        return .failure(FilterFileError("It holds too much, or goes too deep."))
      }
      var element = unsafe Element(
        name: text(xmlTextReaderConstLocalName(reader)),
        depth: place,
        attributes: []
      )
      while unsafe xmlTextReaderMoveToNextAttribute(reader) == 1 {
        let name = unsafe text(xmlTextReaderConstLocalName(reader))
        element.attributes.append((name, unsafe text(xmlTextReaderConstValue(reader))))
      }
      elements.append(element)
    }
  }

  private static func text(_ characters: UnsafePointer<xmlChar>?) -> String {
    guard let characters = unsafe characters else { return "" }
    return unsafe String(cString: characters)
  }
}
