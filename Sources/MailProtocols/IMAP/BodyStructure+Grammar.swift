import Bytes

/// How deep, and how far, a BODYSTRUCTURE is followed.
struct BodyStructureBudget {
  /// Levels that may still be entered.
  var depth: Int
  /// Parts that may still be read.
  var parts: Int
}

extension ByteReader {
  /// Reads `body` (RFC 3501 §9), to the depth and number of parts of `budget`.
  ///
  /// What lies deeper is skipped: such a part shows as empty, not as an error.
  mutating func requireBodyStructure(
    _ budget: inout BodyStructureBudget
  ) throws(IMAPSyntaxError) -> BodyStructure {
    try require(0x28, "body")
    guard budget.depth > 0, budget.parts > 0 else {
      try skipToClose()
      return BodyStructure()
    }
    budget.parts -= 1
    budget.depth -= 1
    defer { budget.depth += 1 }
    skipBlanks()
    return next == 0x28 ? try multipart(&budget) : try singlePart(&budget)
  }

  /// Reads `body-type-mpart`, its opening parenthesis read.
  private mutating func multipart(
    _ budget: inout BodyStructureBudget
  ) throws(IMAPSyntaxError) -> BodyStructure {
    var body = BodyStructure()
    body.type = "multipart"
    repeat {
      body.parts.append(try requireBodyStructure(&budget))
      skipBlanks()
    } while next == 0x28
    body.subtype = isAtClose ? "mixed" : try requireLowercaseText() ?? "mixed"
    if !isAtClose { body.parameters = try bodyParameters() }
    try bodyExtensions(&body)
    return body
  }

  /// Reads `body-type-1part`, its opening parenthesis read.
  private mutating func singlePart(
    _ budget: inout BodyStructureBudget
  ) throws(IMAPSyntaxError) -> BodyStructure {
    var body = BodyStructure()
    let type = try requireLowercaseText()
    body.type = type ?? "application"
    // Leniency `missingSubtype`: NIL, or nothing at all.
    let subtype = isAtClose ? nil : try requireLowercaseText()
    body.subtype = subtype ?? (body.type == "text" ? "plain" : "octet-stream")
    if !isAtClose { body.parameters = try bodyParameters() }
    if !isAtClose { body.contentID = try requireNString() }
    if !isAtClose { body.contentDescription = try requireNString() }
    if !isAtClose { body.transferEncoding = try requireLowercaseText() ?? "7bit" }
    if !isAtClose { body.size = try requireCount() }
    if body.type == "message", !isAtClose, next == 0x28 {
      try embeddedMessage(&body, &budget)
    } else if body.type == "text", !isAtClose, next?.isASCIIDigit == true || next == 0x2D {
      body.lines = try requireCount()
    }
    // Leniency `missingExtensionData`: the MD5 and all after it may be absent.
    if !isAtClose { try skipValue() }
    try bodyExtensions(&body)
    return body
  }

  /// Reads the envelope, body and line count of `body-type-msg`.
  private mutating func embeddedMessage(
    _ body: inout BodyStructure,
    _ budget: inout BodyStructureBudget
  ) throws(IMAPSyntaxError) {
    let start = position
    // Leniency `embeddedWithoutEnvelope`: what stands here may be a disposition instead.
    do {
      body.envelope = try requireEnvelope()
      skipBlanks()
      if next == 0x28 {
        body.parts = [try requireBodyStructure(&budget)]
      } else if !consumeNIL() {
        throw syntaxError("body")
      }
      if !isAtClose, next?.isASCIIDigit == true { body.lines = try requireCount() }
    } catch {
      seek(to: start)
      body.envelope = nil
      body.parts = []
    }
  }

  /// Reads disposition, language and location, and skips what any later extension adds.
  private mutating func bodyExtensions(_ body: inout BodyStructure) throws(IMAPSyntaxError) {
    if !isAtClose { body.disposition = try bodyDisposition() }
    if !isAtClose { body.languages = try bodyLanguages() }
    if !isAtClose {
      if next == 0x28 { try skipValue() } else { body.location = try requireNString() }
    }
    try skipToClose()
  }

  private mutating func bodyDisposition() throws(IMAPSyntaxError) -> BodyDisposition? {
    // Leniency `bareDisposition`: the word alone, without parentheses.
    guard consume(0x28) else {
      return try requireLowercaseText().map { BodyDisposition(kind: $0, parameters: []) }
    }
    let kind = isAtClose ? nil : try requireLowercaseText()
    let parameters = isAtClose ? [] : try bodyParameters()
    try skipToClose()
    return kind.map { BodyDisposition(kind: $0, parameters: parameters) }
  }

  private mutating func bodyLanguages() throws(IMAPSyntaxError) -> [String] {
    guard consume(0x28) else { return try requireLowercaseText().map { [$0] } ?? [] }
    var languages: [String] = []
    while !isAtClose {
      if let language = try requireLowercaseText() { languages.append(language) }
    }
    try require(0x29, "body-fld-lang")
    return languages
  }

  /// Reads `body-fld-param`: names and values in turn.
  private mutating func bodyParameters() throws(IMAPSyntaxError) -> [BodyParameter] {
    guard consume(0x28) else {
      try skipNString()  // NIL, or a word where a list belongs.
      return []
    }
    var parameters: [BodyParameter] = []
    while !isAtClose {
      let name = try requireLowercaseText()
      let value = isAtClose ? nil : try requireNString()
      if let name { parameters.append(BodyParameter(name: name, value: value ?? [])) }
    }
    try require(0x29, "body-fld-param")
    return parameters
  }

  /// Skips blanks and tells whether the list ends here.
  private var isAtClose: Bool {
    mutating get {
      skipBlanks()
      return next == 0x29
    }
  }
}
