import MIME

/// `:mime`, `:anychild` and what they look at of `header`, `address` and `exists` (RFC 5703 §4).
extension ScriptExtension {
  static let mime = ScriptExtension("mime") { capability in
    capability.tags = [
      (.part, TagDefinition("mime")), (.part, TagDefinition("anychild")),
      (.part, TagDefinition("type", group: "aspect")),
      (.part, TagDefinition("subtype", group: "aspect")),
      (.part, TagDefinition("contenttype", group: "aspect")),
      (.part, TagDefinition("param", .strings, group: "aspect")),
    ]
  }
}

/// What a test looks at of a MIME field in place of the whole value (RFC 5703 §4.1).
enum MIMEAspect: Sendable {
  case type
  case subtype
  case contentType
  case parameters([StringExpression])

  /// The aspect that the arguments name; nil where they name none.
  init?(_ arguments: Arguments, _ compiler: Compiler) throws(Fault) {
    let tag = arguments.tag(inGroup: "aspect")
    if !arguments.has("mime"), let first = arguments.tag("anychild") ?? tag {
      throw Fault(at: first.offset, "':\(first.definition.name)' needs ':mime'")
    }
    switch tag?.definition.name {
    case "type": self = .type
    case "subtype": self = .subtype
    case "contenttype": self = .contentType
    case "param": self = .parameters(try compiler.strings(tag?.value))
    default: return nil
    }
  }

  /// The values of a field; `isCounted` leaves out what only stands for a field without the aspect.
  func values(_ field: HeaderField, in header: HeaderFields, _ run: Run, isCounted: Bool) -> [Text]
  {
    let name = [UInt8](header.bytes[field.name]).lowercased.text
    let body = header.bytes.span.extracting(field.body)
    let contentType = name == "content-type" ? ContentType(parsing: body) : nil
    let disposition = name == "content-disposition" ? ContentDisposition(parsing: body) : nil
    let value: String?
    switch self {
    case .type: value = contentType?.type ?? disposition?.type
    case .subtype: value = contentType?.subtype ?? (disposition == nil ? nil : "")
    case .contentType: value = contentType?.mediaType ?? disposition?.type
    case .parameters(let names):
      let parameters = contentType?.parameters ?? disposition?.parameters ?? []
      return names.compactMap { parameters[$0.text(run).folded.text].map { Text($0) } }
    }
    if value == nil, isCounted { return [] }
    return [Text(value ?? "")]
  }
}

/// `header` with `:type` and its like.
final class MIMEHeaderTest: Test {
  private let fields: FieldSelection
  private let matcher: Matcher
  private let aspect: MIMEAspect

  init(_ arguments: Arguments, _ aspect: MIMEAspect, _ compiler: Compiler) throws(Fault) {
    self.aspect = aspect
    fields = try FieldSelection(arguments, names: arguments.positional[0], compiler)
    matcher = try compiler.matcher(arguments, keys: arguments.positional[1])
  }

  func evaluate(_ run: Run) throws(RunStop) -> Bool {
    try run.count()
    var matching = matcher.begin(run)
    for (header, fields) in try fields.fields(run) {
      for field in fields {
        let values = aspect.values(field, in: header, run, isCounted: matcher.countsValues)
        for value in values where try matching.offer(value) { return true }
      }
    }
    return try matching.finish()
  }
}
