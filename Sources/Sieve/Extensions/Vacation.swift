import Bytes
import MIME

/// `vacation` (RFC 5230).
extension ScriptExtension {
  static let vacation = ScriptExtension("vacation") { capability in
    capability.commands = [
      CommandDefinition(
        name: "vacation",
        parameters: [.string],
        tags: [
          TagDefinition("days", .number, group: "period"), TagDefinition("subject", .string),
          TagDefinition("from", .string), TagDefinition("addresses", .strings),
          TagDefinition("mime"), TagDefinition("handle", .string),
        ],
        families: [.vacation, .response, .delivery, .mailbox]
      ) { arguments, compiler throws(Fault) in try VacationCommand(arguments, compiler) }
    ]
  }

  /// `:seconds` in place of `:days` (RFC 6131).
  static let vacationSeconds = ScriptExtension("vacation-seconds") { capability in
    capability.tags = [(.vacation, TagDefinition("seconds", .number, group: "period"))]
    capability.implies = ["vacation"]
  }
}

private final class VacationCommand: Statement {
  let reason: StringExpression
  let subject: StringExpression?
  let from: StringExpression?
  let addresses: [StringExpression]
  let handle: StringExpression?
  let isMIME: Bool
  let seconds: Int64
  /// What tells this response from others without a handle: the arguments as they are written.
  let digest: String
  let modifiers: [ActionModifier]
  let offset: Int

  private static let day: Int64 = 24 * 3600
  /// The most days that a sender is not answered again; RFC 5230 §4.1 wants more than 30.
  private static let mostDays: UInt64 = 365

  init(_ arguments: Arguments, _ compiler: Compiler) throws(Fault) {
    offset = arguments.offset
    func string(_ name: String) throws(Fault) -> StringExpression? {
      try arguments.tag(name).map { tag throws(Fault) in try compiler.string(tag.value) }
    }
    reason = try compiler.string(arguments.positional[0])
    subject = try string("subject")
    from = try string("from")
    handle = try string("handle")
    addresses = try compiler.strings(arguments.tag("addresses")?.value)
    isMIME = arguments.has("mime")
    modifiers = try compiler.modifiers(arguments)
    try ActionOptions.checkCopy(arguments)
    if let address = from?.constant, MailAddress.specification(of: address) == nil {
      throw Fault(
        at: arguments.tag("from")?.value?.offset ?? offset,
        "\"\(address.text)\" is no address"
      )
    }
    for address in addresses {
      guard let address = address.constant, MailAddress.specification(of: address) == nil else {
        continue
      }
      throw Fault(
        at: arguments.tag("addresses")?.value?.offset ?? offset,
        "\"\(address.text)\" is no address"
      )
    }
    if let tag = arguments.tag("seconds") {
      seconds = Int64(min(compiler.number(tag.value), Self.mostDays * UInt64(Self.day)))
    } else {
      let days = arguments.tag("days").map { compiler.number($0.value) } ?? 7
      seconds = Int64(min(max(days, 1), Self.mostDays)) * Self.day
    }
    digest = try Self.digest(arguments, compiler)
  }

  /// The arguments that RFC 5230 §4.2 names, before variables are put in, each with its length.
  private static func digest(_ arguments: Arguments, _ compiler: Compiler) throws(Fault) -> String {
    var digest = arguments.has("mime") ? "mime" : ""
    for argument in [
      arguments.tag("subject")?.value, arguments.tag("from")?.value, arguments.positional[0],
    ] {
      let text = try compiler.literals(argument).first?.bytes
      digest += "|\(text?.count ?? -1):\((text ?? []).text)"
    }
    return digest
  }

  func execute(_ run: Run) throws(RunStop) -> Flow {
    let options = try ActionOptions(modifiers, run)
    let own = addresses.compactMap { MailAddress.specification(of: $0.bytes(run)) }
    var vacation = ScriptVacation(reason: reason.bytes(run).text)
    vacation.isMIME = isMIME
    vacation.subject = subject?.bytes(run).text ?? Self.defaultSubject(run)
    // RFC 5230 §4.3: an author that is none is passed over.
    vacation.from = from.flatMap { from in
      let text = from.bytes(run)
      return MailAddress.specification(of: text) == nil ? nil : text.trimmed.text
    }
    let policy = VacationPolicy(run: run, addresses: own)
    let addressee = try policy.addressee()
    // Who wrote to one of several addresses is answered from it.
    vacation.from = vacation.from ?? addressee
    vacation.tracking = handle.map { "handle|\($0.bytes(run).text)" } ?? "content|\(digest)"
    vacation.seconds = seconds
    vacation.fcc = options.filedCopy()
    vacation.inReplyTo = run.message.header.messageIDs("message-id")?.first
    vacation.references = run.message.header.messageIDs("references") ?? []
    vacation.suppression = try policy.suppression(addressedAs: addressee)
    try run.actions.add(.vacation(vacation), at: offset, run.limits)
    return .next
  }

  /// `Auto:` and the subject of the message (RFC 5230 §5.3).
  private static func defaultSubject(_ run: Run) -> String {
    let subject = MessageState.values(of: Array("subject".utf8), in: run.message.header).first
    guard let subject, !subject.bytes.isEmpty else { return "Automated reply" }
    return "Auto: \(subject.string)"
  }
}
