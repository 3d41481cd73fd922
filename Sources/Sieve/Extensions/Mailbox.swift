/// `mailboxexists` and `:create` (RFC 5490 §3).
extension ScriptExtension {
  static let mailbox = ScriptExtension("mailbox") { capability in
    capability.tests = [
      TestDefinition(name: "mailboxexists", parameters: [.strings]) {
        arguments,
        compiler throws(Fault) in
        let names = try compiler.strings(arguments.positional[0])
        return Condition { run throws(RunStop) in
          for name in names {
            let mailbox = name.bytes(run)
            guard MailboxName.problem(mailbox) == nil,
              try run.flag(.mailboxExists(mailbox.text))
            else { return false }
          }
          return true
        }
      }
    ]
    capability.tags = [
      (
        .mailbox,
        TagDefinition("create") { _, _ throws(Fault) in
          { options, _ throws(RunStop) in options.createsMailbox = true }
        }
      )
    ]
  }
}
