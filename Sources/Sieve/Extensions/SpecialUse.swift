import Bytes

/// `specialuse_exists` and `:specialuse` (RFC 8579).
extension ScriptExtension {
  static let specialUse = ScriptExtension("special-use") { capability in
    capability.tests = [
      TestDefinition(
        name: "specialuse_exists",
        parameters: [.string, .strings],
        isFirstOptional: true
      ) { arguments, compiler throws(Fault) in
        let mailbox = try arguments.positional[0].map { argument throws(Fault) in
          try compiler.string(argument)
        }
        let uses = try compiler.strings(arguments.positional[1])
        return Condition { run throws(RunStop) in
          let name = mailbox.map { $0.bytes(run).text }
          for use in uses {
            let use = use.bytes(run)
            guard SpecialUse.isValid(use),
              try run.flag(.specialUseExists(use: use.text, mailbox: name))
            else { return false }
          }
          return true
        }
      }
    ]
    capability.tags = [
      (
        .mailbox,
        TagDefinition("specialuse", .string, group: TagGroup.mailboxName) {
          tag,
          compiler throws(Fault) in
          let use = try compiler.string(tag.value)
          let offset = tag.value?.offset ?? tag.offset
          if let known = use.constant, !SpecialUse.isValid(known) {
            throw Fault(
              at: offset,
              "\"\(known.text)\" is no special use; one begins with a backslash"
            )
          }
          return { options, run throws(RunStop) in
            let use = use.bytes(run)
            guard SpecialUse.isValid(use) else {
              throw RunStop(at: offset, "\"\(use.text)\" is no special use")
            }
            options.specialUse = use.text
          }
        }
      )
    ]
  }
}

/// Special uses as scripts write them.
private enum SpecialUse {
  /// Whether a text is a special use: a flag with a backslash (RFC 6154 §6 `use-attr`).
  static func isValid(_ use: [UInt8]) -> Bool {
    use.count > 1 && use.first == .backslash
      && use.dropFirst().allSatisfy {
        $0.isASCIILetter || $0.isASCIIDigit || $0 == 0x2D || $0 == 0x24
      }
  }
}
