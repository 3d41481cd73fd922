/// `metadata` and `metadataexists`, of mailboxes (RFC 5490 §3.3, §3.4).
extension ScriptExtension {
  static let mailboxMetadata = ScriptExtension("mboxmetadata") { capability in
    capability.tests = [
      TestDefinition(
        name: "metadata",
        parameters: [.string, .string, .strings],
        families: [.comparator, .matchType]
      ) { arguments, compiler throws(Fault) in
        let mailbox = try compiler.string(arguments.positional[0])
        let name = try compiler.string(arguments.positional[1])
        let matcher = try compiler.matcher(arguments, keys: arguments.positional[2])
        return Condition { run throws(RunStop) in
          try run.annotation(name, of: mailbox, matches: matcher)
        }
      },
      TestDefinition(name: "metadataexists", parameters: [.string, .strings]) {
        arguments,
        compiler throws(Fault) in
        let mailbox = try compiler.string(arguments.positional[0])
        let names = try compiler.strings(arguments.positional[1])
        return Condition { run throws(RunStop) in try run.hasAnnotations(names, of: mailbox) }
      },
    ]
  }

  /// `servermetadata` and `servermetadataexists` (RFC 5490 §4).
  static let serverMetadata = ScriptExtension("servermetadata") { capability in
    capability.tests = [
      TestDefinition(
        name: "servermetadata",
        parameters: [.string, .strings],
        families: [.comparator, .matchType]
      ) { arguments, compiler throws(Fault) in
        let name = try compiler.string(arguments.positional[0])
        let matcher = try compiler.matcher(arguments, keys: arguments.positional[1])
        return Condition { run throws(RunStop) in
          try run.annotation(name, of: nil, matches: matcher)
        }
      },
      TestDefinition(name: "servermetadataexists", parameters: [.strings]) {
        arguments,
        compiler throws(Fault) in
        let names = try compiler.strings(arguments.positional[0])
        return Condition { run throws(RunStop) in try run.hasAnnotations(names, of: nil) }
      },
    ]
  }
}

extension Run {
  /// Whether an annotation is there and matches.
  fileprivate func annotation(
    _ name: StringExpression,
    of mailbox: StringExpression?,
    matches matcher: Matcher
  ) throws(RunStop) -> Bool {
    var matching = matcher.begin(self)
    let question = ScriptQuestion.metadata(
      annotation: name.bytes(self).text,
      mailbox: mailbox.map { $0.bytes(self).text }
    )
    if let value = try text(question), try matching.offer(Text(value)) { return true }
    return try matching.finish()
  }

  /// Whether all of these annotations are there.
  fileprivate func hasAnnotations(
    _ names: [StringExpression],
    of mailbox: StringExpression?
  ) throws(RunStop) -> Bool {
    let mailbox = mailbox.map { $0.bytes(self).text }
    for name in names {
      let question = ScriptQuestion.metadata(annotation: name.bytes(self).text, mailbox: mailbox)
      guard try text(question) != nil else { return false }
    }
    return true
  }
}
