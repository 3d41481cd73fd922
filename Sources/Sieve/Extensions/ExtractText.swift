import MIME

/// `extracttext` (RFC 5703 §7).
extension ScriptExtension {
  static let extractText = ScriptExtension("extracttext") { capability in
    capability.commands = [
      CommandDefinition(
        name: "extracttext",
        parameters: [.string],
        tags: [TagDefinition("first", .number)],
        families: [.setModifier]
      ) { arguments, compiler throws(Fault) in
        for needed in ["foreverypart", "variables"] where !compiler.language.names.contains(needed)
        {
          throw Fault(at: arguments.offset, "'extracttext' needs: require \"\(needed)\";")
        }
        guard !compiler.loops.isEmpty || compiler.includeDepth > 0 else {
          throw Fault(at: arguments.offset, "'extracttext' must stand in a 'foreverypart' loop")
        }
        let target = try VariableReference(arguments.positional[0], compiler)
        let most = arguments.tag("first").map { compiler.number($0.value) }
        let modifiers = compiler.setModifiers(arguments)
        return Command { run throws(RunStop) in
          var text: [UInt8] = []
          if let part = run.currentPart, case .leaf = part.content, part.isText {
            try run.countBody(part.bodyRange.count)
            let decoded = part.decodedText().text
            text = Array((most.map { String(decoded.prefix(Int(clamping: $0))) } ?? decoded).utf8)
          }
          for modifier in modifiers { text = modifier.apply(text) }
          run.set(target, to: text)
          return .next
        }
      }
    ]
  }
}
