/// `duplicate` (RFC 7352).
extension ScriptExtension {
  static let duplicate = ScriptExtension("duplicate") { capability in
    capability.tests = [
      TestDefinition(
        name: "duplicate",
        tags: [
          TagDefinition("handle", .string), TagDefinition("header", .string, group: "id"),
          TagDefinition("uniqueid", .string, group: "id"), TagDefinition("seconds", .number),
          TagDefinition("last"),
        ]
      ) { arguments, compiler throws(Fault) in try DuplicateTest(arguments, compiler) }
    ]
  }
}

private final class DuplicateTest: Test {
  let handle: StringExpression
  let field: StringExpression
  let id: StringExpression?
  let seconds: Int64
  let isExtended: Bool

  init(_ arguments: Arguments, _ compiler: Compiler) throws(Fault) {
    handle = try compiler.string(arguments.tag("handle")?.value)
    field =
      try arguments.tag("header").map { tag throws(Fault) in try compiler.string(tag.value) }
      ?? .literal(Text("message-id"))
    id = try arguments.tag("uniqueid").map { tag throws(Fault) in try compiler.string(tag.value) }
    let week: UInt64 = 7 * 24 * 3600
    let longest: UInt64 = 365 * 24 * 3600
    let given = arguments.tag("seconds").map { compiler.number($0.value) }
    seconds = Int64(min(given ?? week, longest))
    isExtended = arguments.has("last")
  }

  func evaluate(_ run: Run) throws(RunStop) -> Bool {
    try run.count()
    let value: [UInt8]
    if let id {
      value = id.bytes(run)
    } else {
      let name = field.text(run).folded
      // RFC 7352 §3.1: without the field, or with a name that is none, nothing is a duplicate.
      guard let first = MessageState.values(of: name, in: run.message.header).first else {
        return false
      }
      value = first.bytes
    }
    let mark = DuplicateMark(
      handle: handle.bytes(run).text,
      id: value.text,
      seconds: seconds,
      isExtended: isExtended
    )
    let isDuplicate = try run.flag(.wasSeen(mark))
    // RFC 7352 §3.3: an occurrence that is a duplicate is remembered anew only with `:last`.
    if !isDuplicate || isExtended, !run.marks.contains(mark) { run.marks.append(mark) }
    return isDuplicate
  }
}
