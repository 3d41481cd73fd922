import Bytes
import CXML

/// Reads the elements of an XML file with their attributes, and nothing else of it.
///
/// The parser is Expat, which is given nothing that it could expand or fetch: a document type declaration, the one place where
/// entities are declared, is refused before it is parsed, and the text is taken as UTF-8 whatever it says of itself.
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
    guard let count = Int32(exactly: bytes.count), let parser = unsafe XML_ParserCreate("UTF-8")
    else { throw FilterFileError("It is not XML.") }
    defer { unsafe XML_ParserFree(parser) }
    let reading = Reading(most: limits.filters * limits.parts, depth: limits.depth)
    unsafe XML_SetUserData(parser, Unmanaged.passUnretained(reading).toOpaque())
    unsafe XML_SetElementHandler(
      parser,
      { data, name, attributes in
        unsafe Reading.from(data)?.begin(Self.text(name), Self.pairs(attributes))
      },
      { data, _ in unsafe Reading.from(data)?.end() }
    )
    let status = withExtendedLifetime(reading) {
      unsafe bytes.withUnsafeBytes { buffer in
        unsafe XML_Parse(
          parser,
          buffer.baseAddress?.assumingMemoryBound(to: CChar.self),
          count,
          1
        )
      }
    }
    guard status == XML_STATUS_OK else {
      let line = unsafe Int(clamping: XML_GetCurrentLineNumber(parser))
      throw FilterFileError("It is not XML.", line: line)
    }
    guard !reading.isTooMuch else {
      throw FilterFileError("It holds too much, or goes too deep.")
    }
    return reading.elements
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

  /// Names and values in turn, up to a null pointer.
  private static func pairs(
    _ list: UnsafeMutablePointer<UnsafePointer<XML_Char>?>?
  ) -> [(name: String, value: String)] {
    guard var list = unsafe list else { return [] }
    var pairs: [(name: String, value: String)] = []
    while let name = unsafe list.pointee {
      unsafe pairs.append((text(name), String(cString: list[1] ?? name)))
      unsafe list += 2
    }
    return pairs
  }

  /// A name without its prefix.
  private static func text(_ name: UnsafePointer<XML_Char>?) -> String {
    guard let name = unsafe name else { return "" }
    let whole = unsafe String(cString: name)
    return whole.split(separator: ":").last.map(String.init) ?? whole
  }
}

/// What was read by now.
private final class Reading {
  private let most: Int
  private let deepest: Int
  private var depth = 0
  private(set) var elements: [FilterXML.Element] = []
  private(set) var isTooMuch = false

  init(most: Int, depth: Int) {
    self.most = most
    deepest = depth
  }

  /// The reading that the parser was given.
  static func from(_ data: UnsafeMutableRawPointer?) -> Reading? {
    guard let data = unsafe data else { return nil }
    return unsafe Unmanaged<Reading>.fromOpaque(data).takeUnretainedValue()
  }

  func begin(_ name: String, _ attributes: [(name: String, value: String)]) {
    if depth > deepest || elements.count >= most {
      isTooMuch = true
    } else {
      elements.append(FilterXML.Element(name: name, depth: depth, attributes: attributes))
    }
    depth += 1
  }

  func end() { depth -= 1 }
}
