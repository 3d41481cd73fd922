import Bytes

/// Reads a complete head: `request-line *( field-line CRLF ) CRLF` (RFC 9112 §2.1).
///
/// It collects while reading what decides where the request ends (RFC 9112 §6.3), and refuses each
/// head about which another parser could think otherwise.
struct RequestHeadParser {
  private let fieldCount: Int
  private var entries: [HTTPFields.Entry] = []
  private var contentLength: Int?
  private var codings = 0
  private var hosts = 0
  private var expectsContinue = false
  private var asksToClose = false
  private var asksToKeep = false

  init(limits: HTTPLimits) {
    fieldCount = limits.fieldCount
  }

  /// The head that `bytes` are, from the first byte of the request line to the last CRLF.
  mutating func parse(_ bytes: [UInt8]) throws(HTTPProtocolError) -> RequestHead {
    var reader = ByteReader(bytes.span)
    let line = try reader.requireRequestLine()
    entries.reserveCapacity(16)
    while reader.next != .cr {
      guard entries.count < fieldCount else {
        throw HTTPProtocolError(431, "The request has more than \(fieldCount) fields.")
      }
      let entry = try reader.requireFieldLine()
      entries.append(entry)
      try note(name: reader.slice(entry.name), value: reader.slice(entry.value))
    }
    guard reader.consume(.cr), reader.consume(.lf) else {
      throw HTTPProtocolError(400, "A bare CR ends the fields.")
    }
    let framing = try framing(version: line.version)
    try checkHost(version: line.version)
    return RequestHead(
      method: HTTPMethod(token: reader.slice(line.method)),
      version: line.version,
      fields: HTTPFields(bytes: bytes, entries: entries),
      targetRange: line.target,
      framing: framing,
      expectsContinue: expectsContinue && line.version == .http11 && framing != .none,
      keepsAlive: !asksToClose && (line.version == .http11 || asksToKeep)
    )
  }

  /// Notes a field if it is one of those that frame the request.
  private mutating func note(
    name: Span<UInt8>,
    value: Span<UInt8>
  ) throws(HTTPProtocolError) {
    switch name.count {
    case 4 where name.equalsIgnoringCase("host"):
      try noteHost(value)
    case 6 where name.equalsIgnoringCase("expect"):
      guard value.equalsIgnoringCase("100-continue") else {
        throw HTTPProtocolError(417, "The only expectation that can be met is 100-continue.")
      }
      expectsContinue = true
    case 10 where name.equalsIgnoringCase("connection"):
      noteConnection(value)
    case 14 where name.equalsIgnoringCase("content-length"):
      try noteContentLength(value)
    case 17 where name.equalsIgnoringCase("transfer-encoding"):
      try noteTransferEncoding(value)
    default:
      break
    }
  }

  private mutating func noteHost(_ value: Span<UInt8>) throws(HTTPProtocolError) {
    hosts += 1
    for index in 0..<value.count {
      switch value[index] {
      case 0x09, 0x20, 0x22, 0x23, 0x2F, 0x3C, 0x3E, 0x3F, 0x40, 0x5C:  // blanks and "#/<>?@\
        throw HTTPProtocolError(400, "The Host field is not a host and a port.")
      default: continue
      }
    }
  }

  private mutating func noteConnection(_ value: Span<UInt8>) {
    var reader = ByteReader(value)
    while !reader.isAtEnd {
      let item = reader.slice(reader.take(upTo: 0x2C))
      reader.skip(1)
      let option = item.extracting(item.trimmingBlanks)
      if option.equalsIgnoringCase("close") { asksToClose = true }
      if option.equalsIgnoringCase("keep-alive") { asksToKeep = true }
    }
  }

  /// `Content-Length = 1*DIGIT`; a second one is refused even if it is the same (RFC 9110 §8.6 allows that).
  private mutating func noteContentLength(_ value: Span<UInt8>) throws(HTTPProtocolError) {
    guard contentLength == nil else {
      throw HTTPProtocolError(400, "Content-Length is given more than once.")
    }
    var reader = ByteReader(value)
    guard let number = reader.number(), reader.isAtEnd, let length = Int(exactly: number) else {
      throw HTTPProtocolError(400, "Content-Length is not a number that can be read.")
    }
    contentLength = length
  }

  /// `chunked`, once and alone: no other coding is known here, and a list that hides one is refused.
  private mutating func noteTransferEncoding(_ value: Span<UInt8>) throws(HTTPProtocolError) {
    guard codings == 0, !value.isEmpty else {
      throw HTTPProtocolError(400, "Transfer-Encoding must be given once and not be empty.")
    }
    codings += 1
    guard value.equalsIgnoringCase("chunked") else {
      throw HTTPProtocolError(501, "The only transfer coding known here is chunked.")
    }
  }

  private func framing(version: HTTPVersion) throws(HTTPProtocolError) -> RequestFraming {
    guard codings > 0 else {
      guard let contentLength, contentLength > 0 else { return .none }
      return .length(contentLength)
    }
    guard contentLength == nil else {
      throw HTTPProtocolError(400, "Content-Length and Transfer-Encoding exclude each other.")
    }
    guard version == .http11 else {
      throw HTTPProtocolError(400, "HTTP/1.0 knows no Transfer-Encoding.")
    }
    return .chunked
  }

  private func checkHost(version: HTTPVersion) throws(HTTPProtocolError) {
    guard hosts <= 1 else { throw HTTPProtocolError(400, "Host is given more than once.") }
    guard hosts == 1 || version == .http10 else {
      throw HTTPProtocolError(400, "The Host field is missing.")
    }
  }
}

/// Where the parts of a request line stand.
struct RequestLine {
  var method: Range<Int>
  var target: Range<Int>
  var version: HTTPVersion
}

extension ByteReader {
  /// Consumes `request-line = method SP request-target SP HTTP-version CRLF` (RFC 9112 §3).
  ///
  /// Several spaces stand for one, as RFC 9112 §3 allows and old clients write; no other blank does.
  mutating func requireRequestLine() throws(HTTPProtocolError) -> RequestLine {
    let method = take(while: { $0.isTokenByte })
    guard !method.isEmpty, take(while: { $0 == .space }).count > 0 else {
      throw HTTPProtocolError(400, "The request line does not begin with a method.")
    }
    let target = take(while: { $0.isTargetByte })
    guard !target.isEmpty, take(while: { $0 == .space }).count > 0 else {
      throw HTTPProtocolError(
        400,
        "The request line does not have a method, a target and a version."
      )
    }
    let version = try requireVersion()
    guard consume(.cr), consume(.lf) else {
      throw HTTPProtocolError(400, "The request line does not end after the version.")
    }
    try checkTarget(slice(target), method: slice(method))
    return RequestLine(method: method, target: target, version: version)
  }

  /// Consumes `HTTP-version = "HTTP/" DIGIT "." DIGIT`.
  private mutating func requireVersion() throws(HTTPProtocolError) -> HTTPVersion {
    guard consume("HTTP/"), let major = byte(), major.isASCIIDigit, consume(0x2E),
      let minor = byte(), minor.isASCIIDigit
    else { throw HTTPProtocolError(400, "The request line does not end in a version of HTTP.") }
    guard major == 0x31 else {
      throw HTTPProtocolError(505, "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
    }
    return minor == 0x30 ? .http10 : .http11
  }

  /// Checks that a target has one of the forms of RFC 9112 §3.2, the one that its method asks for.
  private func checkTarget(
    _ target: Span<UInt8>,
    method: Span<UInt8>
  ) throws(HTTPProtocolError) {
    guard target[0] != 0x2F else { return }
    if target.count == 1, target[0] == 0x2A, method.equalsIgnoringCase("options") { return }
    if method.equalsIgnoringCase("connect") { return }
    if let colon = target.firstIndex(of: 0x3A) {
      let scheme = target.extracting(0..<colon)
      let isWeb = scheme.equalsIgnoringCase("http") || scheme.equalsIgnoringCase("https")
      if isWeb, colon + 3 < target.count, target[colon + 1] == 0x2F, target[colon + 2] == 0x2F {
        return
      }
    }
    throw HTTPProtocolError(400, "The request target is neither a path nor an http address.")
  }
}
