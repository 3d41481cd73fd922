/// `:fcc` of `vacation` and `notify` (RFC 8580): a copy of what is sent is filed.
extension ScriptExtension {
  static let fileCarbonCopy = ScriptExtension("fcc") { capability in
    capability.tags = [
      (
        .response,
        TagDefinition("fcc", .string) { tag, compiler throws(Fault) in
          let mailbox = try compiler.string(tag.value)
          let offset = tag.value?.offset ?? tag.offset
          if let name = mailbox.constant, let problem = MailboxName.problem(name) {
            throw Fault(at: offset, problem)
          }
          return { options, run throws(RunStop) in
            let name = mailbox.bytes(run)
            if let problem = MailboxName.problem(name) { throw RunStop(at: offset, problem) }
            options.fcc = name
          }
        }
      )
    ]
  }
}

extension ActionOptions {
  /// The copy that is filed; nil where none is.
  func filedCopy() -> ScriptFiledCopy? {
    guard let fcc else { return nil }
    // RFC 8580 §3: the flags are those of the command, not those of the message.
    var delivery = ScriptDelivery()
    delivery.flags = flags ?? []
    delivery.createsMailbox = createsMailbox
    delivery.specialUse = specialUse
    delivery.mailboxID = mailboxID
    return ScriptFiledCopy(mailbox: fcc.text, delivery: delivery)
  }

  /// Throws where arguments of a copy stand and no copy is filed (RFC 8580 §3).
  static func checkCopy(_ arguments: Arguments) throws(Fault) {
    guard !arguments.has("fcc") else { return }
    for name in ["flags", "create", "specialuse", "mailboxid"] {
      guard let tag = arguments.tag(name) else { continue }
      throw Fault(at: tag.offset, "':\(name)' needs ':fcc'")
    }
  }
}
