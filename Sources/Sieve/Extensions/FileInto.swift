import Bytes

/// `fileinto` (RFC 5228 §4.1).
extension ScriptExtension {
  static let fileInto = ScriptExtension("fileinto") { capability in
    capability.commands = [
      CommandDefinition(
        name: "fileinto",
        parameters: [.string],
        families: [.delivery, .mailbox, .fileInto]
      ) { arguments, compiler throws(Fault) in try FileIntoCommand(arguments, compiler) }
    ]
  }
}

private final class FileIntoCommand: Statement {
  let mailbox: StringExpression
  let modifiers: [ActionModifier]
  let offset: Int

  init(_ arguments: Arguments, _ compiler: Compiler) throws(Fault) {
    offset = arguments.offset
    mailbox = try compiler.string(arguments.positional[0])
    modifiers = try compiler.modifiers(arguments)
    if let name = mailbox.constant, let problem = MailboxName.problem(name) {
      throw Fault(at: arguments.positional[0]?.offset ?? offset, problem)
    }
  }

  func execute(_ run: Run) throws(RunStop) -> Flow {
    let name = mailbox.bytes(run)
    if let problem = MailboxName.problem(name) { throw RunStop(at: offset, problem) }
    let options = try ActionOptions(modifiers, run)
    if !options.isCopy { run.actions.cancelImplicitKeep() }
    try run.actions.add(
      .fileInto(mailbox: name.text, options.delivery(run)),
      at: offset,
      run.limits
    )
    return .next
  }
}

/// The names of mailboxes that a script may give.
enum MailboxName {
  /// Why a name can't be one; nil where it can.
  static func problem(_ name: [UInt8]) -> String? {
    if name.isEmpty { return "a mailbox must have a name" }
    if name.count > 1_000 { return "the name of a mailbox is too long" }
    if name.contains(where: \.isControl) {
      return "the name of a mailbox must not contain control characters"
    }
    return nil
  }
}
