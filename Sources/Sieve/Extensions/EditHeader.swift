import Bytes
import MIME

/// `addheader` and `deleteheader` (RFC 5293).
extension ScriptExtension {
  static let editHeader = ScriptExtension("editheader") { capability in
    capability.commands = [
      CommandDefinition(
        name: "addheader",
        parameters: [.string, .string],
        tags: [TagDefinition("last")]
      ) { arguments, compiler throws(Fault) in
        let name = try EditedFieldName(arguments.positional[0], compiler)
        let value = try compiler.string(arguments.positional[1])
        let isLast = arguments.has("last")
        compiler.shared.needsBody = true
        return Command { run throws(RunStop) in
          try run.addField(try name.bytes(run), value.bytes(run), isLast: isLast)
          return .next
        }
      },
      CommandDefinition(
        name: "deleteheader",
        parameters: [.string, .strings],
        isLastOptional: true,
        tags: [TagDefinition("index", .number), TagDefinition("last")],
        families: [.comparator, .matchType]
      ) { arguments, compiler throws(Fault) in try DeleteHeaderCommand(arguments, compiler) },
    ]
  }
}

/// The name of a field that a script adds or deletes.
private struct EditedFieldName: Sendable {
  let expression: StringExpression
  let offset: Int

  init(_ argument: SyntaxNode.Argument?, _ compiler: Compiler) throws(Fault) {
    expression = try compiler.string(argument)
    offset = argument?.offset ?? 0
    if let name = expression.constant, !FieldNames.isValid(name) {
      throw Fault(at: offset, "\"\(name.text)\" is no name of a header field")
    }
  }

  func bytes(_ run: Run) throws(RunStop) -> [UInt8] {
    let name = expression.bytes(run)
    guard FieldNames.isValid(name) else {
      throw RunStop(at: offset, "\"\(name.text)\" is no name of a header field")
    }
    return name
  }
}

/// `deleteheader` (RFC 5293 §5).
private final class DeleteHeaderCommand: Statement {
  let name: EditedFieldName
  /// What the values must match; nil to delete them all.
  let matcher: Matcher?
  let index: Int?
  let isFromLast: Bool

  init(_ arguments: Arguments, _ compiler: Compiler) throws(Fault) {
    name = try EditedFieldName(arguments.positional[0], compiler)
    // `:index` and `:last` are of this command, whether or not `index` was required.
    (index, isFromLast) = try FieldIndex.read(arguments, compiler)
    matcher = try arguments.positional[1].map { keys throws(Fault) in
      try compiler.matcher(arguments, keys: keys)
    }
    compiler.shared.needsBody = true
    if let matcher, matcher.countsValues {
      throw Fault(at: arguments.offset, "':count' can't be used with 'deleteheader'")
    }
  }

  func execute(_ run: Run) throws(RunStop) -> Flow {
    let name = try name.bytes(run).lowercased
    // RFC 5293 §6: an attempt that is not permitted is passed over in silence.
    guard !HeaderFields.mustStay(name.text) else { return .next }
    let header = run.message.header
    var fields = MessageState.fields(name, in: header)
    if let index {
      let place = isFromLast ? fields.count - index : index - 1
      fields = fields.indices.contains(place) ? [fields[place]] : []
    }
    var doomed: [HeaderField] = []
    for field in fields {
      if let matcher {
        var matching = matcher.begin(run)
        guard try matching.offer(MessageState.value(field, in: header)) else { continue }
      }
      doomed.append(field)
    }
    if !doomed.isEmpty { try run.deleteFields(doomed) }
    return .next
  }
}

extension Run {
  fileprivate func addField(_ name: [UInt8], _ value: [UInt8], isLast: Bool) throws(RunStop) {
    try countEdit()
    let header = message.header.adding(name.text, value.trimmed.text, isLast: isLast)
    message.replaceHeader(header)
    note(.added(isLast: isLast), name, value.trimmed)
  }

  private func note(_ kind: ScriptEdit.Kind, _ name: [UInt8], _ value: [UInt8]) {
    let before = actions.actions.count
    headerEdits.append(
      ScriptEdit(kind: kind, name: name.text, value: value.text, actionsBefore: before)
    )
  }

  fileprivate func deleteFields(_ doomed: [HeaderField]) throws(RunStop) {
    try countEdit()
    let header = message.header
    for field in doomed {
      let value = MessageState.value(field, in: header)
      note(.deleted, [UInt8](header.bytes[field.name]), value.bytes)
    }
    message.replaceHeader(header.removing(doomed))
  }
}
