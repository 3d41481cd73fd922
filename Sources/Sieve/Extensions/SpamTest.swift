/// `spamtest` (RFC 5235 §2.2), and with `:percent` `spamtestplus` (§2.2.1).
extension ScriptExtension {
  static let spamTest = ScriptExtension("spamtest") { $0.tests = [test] }

  static let spamTestPlus = ScriptExtension("spamtestplus") { capability in
    var plus = test
    plus.tags = [TagDefinition("percent")]
    capability.tests = [plus]
  }

  private static let test = TestDefinition(
    name: "spamtest",
    parameters: [.string],
    families: [.comparator, .matchType]
  ) { arguments, compiler throws(Fault) in
    let isPercent = arguments.has("percent")
    let matcher = try compiler.matcher(arguments, keys: arguments.positional[0])
    return Condition { run throws(RunStop) in
      let percent = try run.number(.spamPercent)
      var matching = matcher.begin(run)
      let value: String
      if isPercent {
        // RFC 5235 §2.2.1: empty where the message was not looked at.
        value = percent.map { String(min(max($0, 0), 100)) } ?? ""
      } else {
        value = String(percent.map { min(max($0, 0), 100) * 9 / 100 + 1 } ?? 0)
      }
      if try matching.offer(Text(value)) { return true }
      return try matching.finish()
    }
  }

  /// `virustest` (RFC 5235 §2.3).
  static let virusTest = ScriptExtension("virustest") { capability in
    capability.tests = [
      TestDefinition(
        name: "virustest",
        parameters: [.string],
        families: [.comparator, .matchType]
      ) { arguments, compiler throws(Fault) in
        let matcher = try compiler.matcher(arguments, keys: arguments.positional[0])
        return Condition { run throws(RunStop) in
          let level = min(max(try run.number(.virusLevel) ?? 0, 0), 5)
          var matching = matcher.begin(run)
          if try matching.offer(Text(String(level))) { return true }
          return try matching.finish()
        }
      }
    ]
  }
}
