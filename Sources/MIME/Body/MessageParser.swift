import Bytes

/// Takes any bytes apart as a message (RFC 5322, RFC 2045); it never fails, it reports defects.
///
/// One pass over the lines with a stack of the boundaries that are open: a part ends at the nearest
/// line that is any of them, so a part that forgets its own end is ended by the one around it. Only
/// embedded messages that are transfer-encoded (which RFC 2046 §5.2.1 forbids and mailers do) are
/// decoded, into a copy of their own.
package enum MessageParser {
  /// The message that `bytes` spell.
  package static func parse(_ bytes: [UInt8], limits: MIMELimits = MIMELimits()) -> ParsedMessage {
    var parser = EntityParser(bytes: bytes, limits: limits)
    _ = parser.parseEntity(Place(parent: nil, path: "", leafPath: "1"))
    return ParsedMessage(bytes: bytes, parts: parser.parts, defects: parser.defects)
  }
}

/// Where in the tree an entity stands.
private struct Place {
  var parent: Int?
  /// The section number of the entity as a multipart; its children extend it.
  var path: String
  /// The section number of the entity as anything else.
  var leafPath: String
  var depth = 0
  /// What the entity is where its header does not say.
  var implicitType = ContentType("text", "plain")

  /// The place of the `index`th child of the multipart that stands here.
  func child(_ index: Int, of parent: Int, implicitType: ContentType) -> Place {
    let path = path.isEmpty ? "\(index)" : "\(path).\(index)"
    return Place(
      parent: parent,
      path: path,
      leafPath: path,
      depth: depth + 1,
      implicitType: implicitType
    )
  }

  /// The place of the message embedded in the part that stands here.
  func embedded(in parent: Int) -> Place {
    Place(parent: parent, path: leafPath, leafPath: "\(leafPath).1", depth: depth + 1)
  }
}

/// Why an entity ends.
private struct Stop {
  /// Which boundary ended it, counted from the outermost; nil at the end of the bytes.
  var level: Int?
  var isClosing = false
  /// Where the content ends: before the line break that belongs to the boundary.
  var contentEnd: Int
}

private struct EntityParser {
  private(set) var parts: [MessagePart] = []
  private(set) var defects: [Defect] = []
  private let limits: MIMELimits
  private var bytes: [UInt8]
  private var position = 0
  private var boundaries: [[UInt8]] = []
  private var isInDecodedCopy = false
  private var decodedBytes = 0

  init(bytes: [UInt8], limits: MIMELimits) {
    self.bytes = bytes
    self.limits = limits
  }

  mutating func parseEntity(_ place: Place) -> Stop {
    let start = position
    var scanner = HeaderScanner(limits: limits)
    scanner.scan(bytes.span, from: start, boundaries: boundaries)
    position = scanner.position
    let id = addPart(at: place, header: scanner, from: start)
    let bodyStart = position
    var stop: Stop
    if parts[id].contentType.type == "multipart" {
      stop = parseMultipart(id, place)
    } else if parts[id].isMessage {
      stop = parseMessage(id, place)
    } else {
      stop = scanToBoundary()
    }
    // A multipart that could not be taken apart is a leaf, and has a leaf's section number.
    if parts[id].content == .leaf { parts[id].path = place.leafPath }
    stop.contentEnd = max(stop.contentEnd, bodyStart)
    parts[id].bodyRange = bodyStart..<stop.contentEnd
    return stop
  }

  private mutating func addPart(
    at place: Place,
    header scanner: HeaderScanner,
    from start: Int
  ) -> Int {
    let id = parts.count
    let fields = HeaderFields(bytes: bytes, fields: scanner.fields)
    let isMultipart: Bool
    let type = fields.contentType
    if type == nil, fields.first("content-type") != nil { report(.malformedContentType, id) }
    let contentType = type ?? place.implicitType
    isMultipart = contentType.type == "multipart"
    let part = MessagePart(
      id: id,
      parent: place.parent,
      path: isMultipart ? place.path : place.leafPath,
      header: fields,
      contentType: contentType,
      source: bytes,
      isInDecodedCopy: isInDecodedCopy,
      headerRange: start..<scanner.position,
      bodyRange: scanner.position..<scanner.position
    )
    parts.append(part)
    for defect in scanner.defects { report(defect, id) }
    if case .unknown = part.transferEncoding { report(.unknownTransferEncoding, id) }
    return id
  }

  private mutating func report(_ kind: Defect.Kind, _ part: Int) {
    defects.append(Defect(kind, part: part))
  }

  // MARK: Multiparts

  private mutating func parseMultipart(_ id: Int, _ place: Place) -> Stop {
    if !parts[id].transferEncoding.isIdentity { report(.encodedMultipart, id) }
    guard let boundary = parts[id].contentType.boundary.map({ [UInt8]($0.utf8) }),
      !boundary.isEmpty
    else {
      report(.missingBoundaryParameter, id)
      return scanToBoundary()
    }
    guard place.depth < limits.depth else {
      report(.tooDeep, id)
      return scanToBoundary()
    }
    let level = boundaries.count
    boundaries.append(boundary)
    var stop = scanToBoundary()
    guard stop.level == level else {
      boundaries.removeLast()
      report(.missingStartBoundary, id)
      return stop
    }
    stop = parseChildren(of: id, place, level: level, from: stop)
    boundaries.removeLast()
    guard stop.level == level else {
      report(.missingEndBoundary, id)
      return stop
    }
    return scanToBoundary()  // Over the epilogue.
  }

  /// Parses parts as long as boundaries of `level` open more of them.
  private mutating func parseChildren(
    of id: Int,
    _ place: Place,
    level: Int,
    from first: Stop
  ) -> Stop {
    let implicitType =
      parts[id].contentType.subtype == "digest"
      ? ContentType("message", "rfc822") : ContentType("text", "plain")
    var stop = first
    var children: [Int] = []
    while stop.level == level, !stop.isClosing {
      if let doubled = boundaryHere() {
        stop = doubled
        continue
      }
      guard parts.count < limits.parts else {
        if !defects.contains(where: { $0.kind == .tooManyParts }) { report(.tooManyParts, id) }
        stop = scanToBoundary()
        continue
      }
      children.append(parts.count)
      stop = parseEntity(place.child(children.count, of: id, implicitType: implicitType))
    }
    parts[id].content = .multipart(children)
    return stop
  }

  // MARK: Embedded messages

  private mutating func parseMessage(_ id: Int, _ place: Place) -> Stop {
    guard place.depth < limits.depth else {
      report(.tooDeep, id)
      return scanToBoundary()
    }
    guard parts.count < limits.parts else {
      report(.tooManyParts, id)
      return scanToBoundary()
    }
    if parts[id].transferEncoding.isIdentity {
      parts[id].content = .message(parts.count)
      return parseEntity(place.embedded(in: id))
    }
    let start = position
    let stop = scanToBoundary()
    parseDecoded(start..<max(start, stop.contentEnd), id, place)
    return stop
  }

  /// Parses an embedded message that is transfer-encoded, in a decoded copy.
  private mutating func parseDecoded(_ range: Range<Int>, _ id: Int, _ place: Place) {
    guard range.count <= limits.embeddedBytes - decodedBytes else {
      report(.embeddedMessageTooLarge, id)
      return
    }
    let (content, _) = TransferDecoder.decode(
      bytes.span.extracting(range),
      from: parts[id].transferEncoding
    )
    decodedBytes += range.count
    let outer = (bytes, position, boundaries, isInDecodedCopy)
    (bytes, position, boundaries, isInDecodedCopy) = (content, 0, [], true)
    parts[id].content = .message(parts.count)
    _ = parseEntity(place.embedded(in: id))
    (bytes, position, boundaries, isInDecodedCopy) = outer
  }

  // MARK: Lines

  /// Goes behind the boundary line that comes next, if one does.
  ///
  /// A boundary right behind another parts nothing: doubled ones are met where mail is edited.
  private mutating func boundaryHere() -> Stop? {
    guard position < bytes.count else { return nil }
    let line = Line(in: bytes.span, at: position)
    guard let (level, isClosing) = Boundary.match(bytes.span, line.content, in: boundaries)
    else { return nil }
    defer { position = line.end }
    return Stop(level: level, isClosing: isClosing, contentEnd: position)
  }

  /// Goes on to behind the next line that is an open boundary, or to the end.
  private mutating func scanToBoundary() -> Stop {
    let (stop, end) = nextBoundary(from: position)
    position = end
    return stop
  }

  /// Where the next open boundary stops the content, and the offset behind its line.
  private func nextBoundary(from start: Int) -> (stop: Stop, end: Int) {
    let span = bytes.span
    var line = boundaries.isEmpty ? span.count : start
    while line < span.count {
      guard span[line] == 0x2D else {
        line = (span.firstIndex(of: .lf, from: line) ?? span.count - 1) + 1
        continue
      }
      let candidate = Line(in: span, at: line)
      if let (level, isClosing) = Boundary.match(span, candidate.content, in: boundaries) {
        let contentEnd = Self.endOfContent(span, before: line)
        return (Stop(level: level, isClosing: isClosing, contentEnd: contentEnd), candidate.end)
      }
      line = candidate.end
    }
    return (Stop(contentEnd: span.count), span.count)
  }

  /// The end of what stands before a boundary line: its line break is the boundary's.
  private static func endOfContent(_ bytes: Span<UInt8>, before line: Int) -> Int {
    guard line > 0, bytes[line - 1] == .lf else { return line }
    return line > 1 && bytes[line - 2] == .cr ? line - 2 : line - 1
  }
}

extension MessagePart {
  /// Whether the part is a message of its own.
  fileprivate var isMessage: Bool {
    contentType.type == "message"
      && (contentType.subtype == "rfc822" || contentType.subtype == "global"
        || contentType.subtype == "news")
  }
}
