/// `stop` (RFC 5228 §3.3); `require` and `if` are the compiler's own.
extension ScriptExtension {
  static let coreControls = ScriptExtension("control") { core in
    core.commands = [
      CommandDefinition(name: "stop") { _, _ in Command { _ throws(RunStop) in .stop } }
    ]
  }
}
