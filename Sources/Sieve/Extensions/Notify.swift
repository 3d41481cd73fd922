import Bytes

/// `notify`, `valid_notify_method` and `notify_method_capability` (RFC 5435), with `mailto` (RFC 5436).
extension ScriptExtension {
  static let notify = ScriptExtension("enotify") { capability in
    capability.commands = [
      CommandDefinition(
        name: "notify",
        parameters: [.string],
        tags: [
          TagDefinition("from", .string), TagDefinition("importance", .string),
          TagDefinition("options", .strings), TagDefinition("message", .string),
        ],
        families: [.response, .delivery, .mailbox]
      ) { arguments, compiler throws(Fault) in try NotifyCommand(arguments, compiler) }
    ]
    capability.tests = [
      TestDefinition(name: "valid_notify_method", parameters: [.strings]) {
        arguments,
        compiler throws(Fault) in
        let methods = try compiler.strings(arguments.positional[0])
        return Condition { run throws(RunStop) in
          methods.allSatisfy { MailtoURI($0.bytes(run)) != nil }
        }
      },
      TestDefinition(
        name: "notify_method_capability",
        parameters: [.string, .string, .strings],
        families: [.comparator, .matchType]
      ) { arguments, compiler throws(Fault) in
        let method = try compiler.string(arguments.positional[0])
        let name = try compiler.string(arguments.positional[1])
        let matcher = try compiler.matcher(arguments, keys: arguments.positional[2])
        return Condition { run throws(RunStop) in
          let uri = method.bytes(run)
          let name = name.text(run).folded.text
          guard MailtoURI(uri) != nil,
            let value = try run.text(.notifyCapability(method: uri.text, name: name))
          else { return false }
          var matching = matcher.begin(run)
          if matching.countsValues, value.isEmpty { return try matching.finish() }
          if try matching.offer(Text(value)) { return true }
          return try matching.finish()
        }
      },
    ]
    // RFC 5435 §6: percent-encoding of what is no unreserved character.
    capability.setModifiers = [
      SetModifier(name: "encodeurl", precedence: 15) { bytes in
        bytes.flatMap { byte -> [UInt8] in
          if byte.isASCIILetter || byte.isASCIIDigit { return [byte] }
          switch byte {
          case 0x2D, 0x2E, 0x5F, 0x7E: return [byte]
          default: return [0x25, hexDigit(byte >> 4), hexDigit(byte & 15)]
          }
        }
      }
    ]
  }

  private static func hexDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? 0x30 + value : 0x37 + value
  }
}

private final class NotifyCommand: Statement {
  let method: StringExpression
  let from: StringExpression?
  let importance: StringExpression?
  let options: [StringExpression]
  let message: StringExpression?
  let modifiers: [ActionModifier]
  let offset: Int

  init(_ arguments: Arguments, _ compiler: Compiler) throws(Fault) {
    offset = arguments.offset
    func string(_ name: String) throws(Fault) -> StringExpression? {
      try arguments.tag(name).map { tag throws(Fault) in try compiler.string(tag.value) }
    }
    method = try compiler.string(arguments.positional[0])
    from = try string("from")
    importance = try string("importance")
    message = try string("message")
    options = try compiler.strings(arguments.tag("options")?.value)
    modifiers = try compiler.modifiers(arguments)
    try ActionOptions.checkCopy(arguments)
    if let uri = method.constant, MailtoURI(uri) == nil {
      throw Fault(
        at: arguments.positional[0]?.offset ?? offset,
        "\"\(uri.text)\" is no method to notify by; one is \"mailto:user@example.org\""
      )
    }
    if let level = importance?.constant, Self.level(level) == nil {
      throw Fault(at: arguments.tag("importance")?.offset ?? offset, "importance is 1, 2 or 3")
    }
    if let address = from?.constant, MailAddress.specification(of: address) == nil {
      throw Fault(
        at: arguments.tag("from")?.offset ?? offset,
        "\"\(address.text)\" is no address"
      )
    }
  }

  private static func level(_ text: [UInt8]) -> Int? {
    guard text.count == 1, (0x31...0x33).contains(text[0]) else { return nil }
    return Int(text[0] - 0x30)
  }

  func execute(_ run: Run) throws(RunStop) -> Flow {
    let uri = method.bytes(run)
    guard let recipients = MailtoURI(uri)?.to else {
      throw RunStop(at: offset, "\"\(uri.text)\" is no method to notify by")
    }
    // RFC 5436 §2.7: nobody is told twice by one run.
    let told = recipients.filter { run.notified.contains(ComparedAddress.key(of: $0)) }
    guard told.count < recipients.count else { return .next }
    let level = importance.map { Self.level($0.bytes(run)) }
    if let level, level == nil { throw RunStop(at: offset, "importance is 1, 2 or 3") }
    var notification = ScriptNotification(method: uri.text)
    notification.toldBefore = told
    notification.importance = (level ?? nil) ?? 2
    // RFC 5435 §3.3: an author that is none is left out.
    notification.from = from.flatMap { MailAddress.specification(of: $0.bytes(run)) }
    notification.options = options.map { $0.bytes(run).text }
    notification.message = message.map { $0.bytes(run).text }
    notification.fcc = try ActionOptions(modifiers, run).filedCopy()
    try run.actions.add(.notify(notification), at: offset, run.limits)
    run.notified.formUnion(recipients.map { ComparedAddress.key(of: $0) })
    return .next
  }
}
