import Bytes
import MIME

/// `replace` (RFC 5703 §5).
extension ScriptExtension {
  static let replace = ScriptExtension("replace") { capability in
    capability.commands = [
      CommandDefinition(
        name: "replace",
        parameters: [.string],
        tags: [
          TagDefinition("mime"), TagDefinition("subject", .string), TagDefinition("from", .string),
        ]
      ) { arguments, compiler throws(Fault) in try ReplaceCommand(arguments, compiler) }
    ]
  }

  /// `enclose` (RFC 5703 §6).
  static let enclose = ScriptExtension("enclose") { capability in
    capability.commands = [
      CommandDefinition(
        name: "enclose",
        parameters: [.string],
        tags: [TagDefinition("subject", .string), TagDefinition("headers", .strings)]
      ) { arguments, compiler throws(Fault) in try EncloseCommand(arguments, compiler) }
    ]
  }
}

/// Parts that a script writes.
enum WrittenPart {
  /// A part of plain text: its fields, an empty line and its lines, in CRLF.
  static func text(_ text: [UInt8]) -> (fields: [UInt8], body: [UInt8]) {
    var fields: [UInt8] = []
    fields.append("Content-Type: text/plain; charset=utf-8\r\n")
    let isASCII = text.allSatisfy { $0 < 0x80 }
    fields.append(
      isASCII ? "Content-Transfer-Encoding: 7bit\r\n" : "Content-Transfer-Encoding: 8bit\r\n"
    )
    return (fields, LineEnds.canonical(text))
  }

  /// A part that a script gives whole, header and body, in CRLF; of the header only MIME's own fields.
  static func entity(_ entity: [UInt8]) -> (fields: [UInt8], body: [UInt8]) {
    let entity = LineEnds.canonical(entity)
    let message = MessageParser.parse(entity)
    let header = message.header
    var fields: [UInt8] = []
    for field in header.fields
    where [UInt8](entity[field.name]).lowercased.starts(with: Array("content-".utf8)) {
      let end = MessageState.lineEnd(behind: field.body.upperBound, in: entity.span)
      fields += entity[field.name.lowerBound..<end]
    }
    if let last = fields.last, last != .lf { fields += [.cr, .lf] }
    let bodyStart = message.parts.first?.headerRange.upperBound ?? entity.count
    return (fields, [UInt8](entity[bodyStart...]))
  }
}

private final class ReplaceCommand: Statement {
  let replacement: StringExpression
  let isMIME: Bool
  let subject: StringExpression?
  let from: StringExpression?
  let offset: Int

  init(_ arguments: Arguments, _ compiler: Compiler) throws(Fault) {
    offset = arguments.offset
    replacement = try compiler.string(arguments.positional[0])
    isMIME = arguments.has("mime")
    for name in ["subject", "from"] {
      if isMIME, let tag = arguments.tag(name) {
        throw Fault(at: tag.offset, "':\(name)' can't stand together with ':mime'")
      }
    }
    subject = try arguments.tag("subject").map { tag throws(Fault) in
      try compiler.string(tag.value)
    }
    from = try arguments.tag("from").map { tag throws(Fault) in try compiler.string(tag.value) }
    if let text = from?.constant, MailAddress.specification(of: text) == nil {
      throw Fault(at: arguments.tag("from")?.offset ?? offset, "\"\(text.text)\" is no address")
    }
    compiler.shared.needsBody = true
  }

  func execute(_ run: Run) throws(RunStop) -> Flow {
    try run.countEdit()
    let bytes = replacement.bytes(run)
    let part = isMIME ? WrittenPart.entity(bytes) : WrittenPart.text(bytes)
    guard let place = run.parts.last, place.id != 0 else {
      replaceMessage(run, part)
      return .next
    }
    guard place.generation == run.message.generation else {
      throw RunStop(at: offset, "'replace' must stand before 'enclose'")
    }
    run.message.replacePart(place.id, with: part.fields + [.cr, .lf] + part.body)
    return .next
  }

  private func replaceMessage(_ run: Run, _ part: (fields: [UInt8], body: [UInt8])) {
    let header = run.message.header
    var output: [UInt8] = []
    for field in header.fields {
      let end = MessageState.lineEnd(behind: field.body.upperBound, in: header.bytes.span)
      let line = header.bytes[field.name.lowerBound..<end]
      let name = [UInt8](header.bytes[field.name]).lowercased.text
      // RFC 5703 §5: what is replaced stays, under another name.
      if name.hasPrefix("content-") || name == "mime-version" { continue }
      if name == "subject" && subject != nil || name == "from" && from != nil {
        output += Array("Original-".utf8)
      }
      output += line
    }
    output = LineEnds.canonical(output)
    if let last = output.last, last != .lf { output += [.cr, .lf] }
    if let from { output += formatField("From", text: from.bytes(run).text) }
    if let subject { output += formatField("Subject", text: subject.bytes(run).text) }
    output.append("MIME-Version: 1.0\r\n")
    run.message.replaceMessage(output + part.fields + [.cr, .lf] + part.body)
  }
}

private final class EncloseCommand: Statement {
  let text: StringExpression
  let subject: StringExpression?
  let headers: [StringExpression]

  init(_ arguments: Arguments, _ compiler: Compiler) throws(Fault) {
    text = try compiler.string(arguments.positional[0])
    subject = try arguments.tag("subject").map { tag throws(Fault) in
      try compiler.string(tag.value)
    }
    headers = try compiler.strings(arguments.tag("headers")?.value)
    compiler.shared.needsBody = true
  }

  func execute(_ run: Run) throws(RunStop) -> Flow {
    try run.countEdit()
    let message = LineEnds.canonical(run.message.whole)
    let header = run.message.header
    var output: [UInt8] = []
    var copied: Set<String> = []
    for expression in headers {
      let name = expression.text(run).folded
      guard !name.starts(with: Array("content-".utf8)), copied.insert(name.text).inserted else {
        continue
      }
      for value in MessageState.values(of: name, in: header) {
        output += formatField(expression.bytes(run).text, text: value.string)
      }
    }
    if !copied.contains("date") {
      let now = try run.number(.now) ?? 0
      output += formatField("Date", text: MIMEDate(seconds: now).formatted)
    }
    if !copied.contains("from") { output += formatField("From", text: run.envelope.to) }
    if !copied.contains("subject") {
      let old = MessageState.values(of: Array("subject".utf8), in: header).first?.string
      output += formatField("Subject", text: subject?.bytes(run).text ?? old ?? "")
    }
    output += multipart(run, around: message)
    run.message.enclose(in: output)
    return .next
  }

  private func multipart(_ run: Run, around message: [UInt8]) -> [UInt8] {
    let part = WrittenPart.text(text.bytes(run))
    // A boundary that neither part holds: numbered until it is one.
    var number = 0
    var boundary: [UInt8]
    repeat {
      number += 1
      boundary = Array("=_enclosed_\(number)".utf8)
    } while message.firstRange(of: boundary) != nil || part.body.firstRange(of: boundary) != nil
    var output: [UInt8] = []
    output.append("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"")
    output += boundary
    output.append("\"\r\n\r\n--")
    output += boundary + [.cr, .lf] + part.fields + [.cr, .lf] + part.body
    output.append("\r\n--")
    output += boundary
    output.append("\r\nContent-Type: message/rfc822\r\n\r\n")
    output += message
    output.append("\r\n--")
    output += boundary
    output.append("--\r\n")
    return output
  }
}
