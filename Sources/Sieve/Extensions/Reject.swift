/// `reject` and `ereject` (RFC 5429).
extension ScriptExtension {
  static let reject = ScriptExtension("reject") { $0.commands = [command("reject")] }
  /// The one that refuses a message while it is delivered, where that can be.
  static let extendedReject = ScriptExtension("ereject") { $0.commands = [command("ereject")] }

  private static func command(_ name: String) -> CommandDefinition {
    CommandDefinition(name: name, parameters: [.string]) { arguments, compiler throws(Fault) in
      let reason = try compiler.string(arguments.positional[0])
      let offset = arguments.offset
      return Command { run throws(RunStop) in
        run.actions.cancelImplicitKeep()
        let text = reason.bytes(run).text
        try run.actions.add(
          .reject(reason: text, isDuringDelivery: name == "ereject"),
          at: offset,
          run.limits
        )
        return .next
      }
    }
  }
}
