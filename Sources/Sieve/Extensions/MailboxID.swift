/// `mailboxidexists` and `:mailboxid` (RFC 9042).
extension ScriptExtension {
  static let mailboxID = ScriptExtension("mailboxid") { capability in
    capability.tests = [
      TestDefinition(name: "mailboxidexists", parameters: [.strings]) {
        arguments,
        compiler throws(Fault) in
        let ids = try compiler.strings(arguments.positional[0])
        return Condition { run throws(RunStop) in
          for id in ids {
            guard try run.flag(.mailboxIDExists(id.bytes(run).text)) else { return false }
          }
          return true
        }
      }
    ]
    capability.tags = [
      // RFC 9042 §4.1: it can't stand together with `:specialuse`, which names the mailbox too.
      (
        .mailbox,
        TagDefinition("mailboxid", .string, group: TagGroup.mailboxName) {
          tag,
          compiler throws(Fault) in
          let id = try compiler.string(tag.value)
          return { options, run throws(RunStop) in options.mailboxID = id.bytes(run).text }
        }
      )
    ]
  }
}
