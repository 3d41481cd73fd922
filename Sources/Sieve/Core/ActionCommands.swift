/// `keep`, `discard` and `redirect` (RFC 5228 §4).
extension ScriptExtension {
  static let coreActions = ScriptExtension("actions") { core in
    core.commands = [
      CommandDefinition(name: "keep", families: [.delivery]) {
        arguments,
        compiler throws(Fault) in
        let modifiers = try compiler.modifiers(arguments)
        let offset = arguments.offset
        return Command { run throws(RunStop) in
          let options = try ActionOptions(modifiers, run)
          run.actions.cancelImplicitKeep()
          try run.actions.add(.keep(options.delivery(run)), at: offset, run.limits)
          return .next
        }
      },
      CommandDefinition(name: "discard") { arguments, _ in
        let offset = arguments.offset
        return Command { run throws(RunStop) in
          run.actions.cancelImplicitKeep()
          try run.actions.add(.discard, at: offset, run.limits)
          return .next
        }
      },
      CommandDefinition(name: "redirect", parameters: [.string], families: [.redirect]) {
        arguments,
        compiler throws(Fault) in
        try RedirectCommand(arguments, compiler)
      },
    ]
  }
}

extension ActionOptions {
  /// The options that tags make.
  init(_ modifiers: [ActionModifier], _ run: Run) throws(RunStop) {
    for modify in modifiers { try modify(&self, run) }
  }

  /// How a message is put into a mailbox with these options.
  func delivery(_ run: Run) -> ScriptDelivery {
    var delivery = ScriptDelivery()
    delivery.flags = flags ?? run.flags
    delivery.createsMailbox = createsMailbox
    delivery.specialUse = specialUse
    delivery.mailboxID = mailboxID
    delivery.message = run.message.edited
    return delivery
  }
}

/// `redirect` (RFC 5228 §4.2).
private final class RedirectCommand: Statement {
  let address: StringExpression
  let isList: Bool
  let modifiers: [ActionModifier]
  let offset: Int

  init(_ arguments: Arguments, _ compiler: Compiler) throws(Fault) {
    offset = arguments.offset
    address = try compiler.string(arguments.positional[0])
    isList = arguments.has("list")
    modifiers = try compiler.modifiers(arguments)
    guard let constant = address.constant, !isList else { return }
    guard MailAddress.specification(of: constant) != nil else {
      throw Fault(
        at: arguments.positional[0]?.offset ?? offset,
        "\"\(constant.text)\" is no address to redirect to"
      )
    }
  }

  func execute(_ run: Run) throws(RunStop) -> Flow {
    let options = try ActionOptions(modifiers, run)
    let written = address.bytes(run)
    let target: String
    if isList {
      target = written.text
    } else if let specification = MailAddress.specification(of: written) {
      target = specification
    } else {
      throw RunStop(at: offset, "\"\(written.text)\" is no address to redirect to")
    }
    if !options.isCopy { run.actions.cancelImplicitKeep() }
    var redirect = ScriptRedirect(address: target)
    redirect.isList = isList
    redirect.dsnNotify = options.dsnNotify
    redirect.dsnReturn = options.dsnReturn
    redirect.message = run.message.redirected
    try run.actions.add(.redirect(redirect), at: offset, run.limits)
    return .next
  }
}
