/// `ihave` and `error` (RFC 5463).
extension ScriptExtension {
  static let ihave = ScriptExtension("ihave") { capability in
    capability.tests = [
      TestDefinition(name: "ihave", parameters: [.strings]) { arguments, compiler throws(Fault) in
        var found: [ScriptExtension] = []
        for name in try compiler.constants(arguments.positional[0]) {
          guard let capability = compiler.shared.capability(name.text),
            !capability.changesReading || compiler.language.names.contains(capability.name)
          else { return Condition { _ throws(RunStop) in false } }
          found.append(capability)
        }
        // RFC 5463 §4: what it finds may be used from here to the end of the script.
        for capability in found { compiler.enable(capability) }
        return Condition { _ throws(RunStop) in true }
      }
    ]
    capability.commands = [
      CommandDefinition(name: "error", parameters: [.string]) {
        arguments,
        compiler throws(Fault) in
        let message = try compiler.string(arguments.positional[0])
        let offset = arguments.offset
        return Command { run throws(RunStop) in
          throw RunStop(at: offset, message.bytes(run).text)
        }
      }
    ]
  }
}
