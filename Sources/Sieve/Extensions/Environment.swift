/// `environment` (RFC 5183): items of where the script runs, such as `domain` and `phase`.
extension ScriptExtension {
  static let environment = ScriptExtension("environment") { capability in
    capability.tests = [
      TestDefinition(
        name: "environment",
        parameters: [.string, .strings],
        families: [.comparator, .matchType]
      ) { arguments, compiler throws(Fault) in
        let name = try compiler.string(arguments.positional[0])
        let matcher = try compiler.matcher(arguments, keys: arguments.positional[1])
        return Condition { run throws(RunStop) in
          // RFC 5183 §4: an item that is not known fails the test, whatever it asks.
          guard let value = try run.text(.environment(name.text(run).folded.text)) else {
            return false
          }
          var matching = matcher.begin(run)
          // RFC 5183 §4: an empty item does not count for `:count`.
          if matching.countsValues, value.isEmpty { return try matching.finish() }
          if try matching.offer(Text(value)) { return true }
          return try matching.finish()
        }
      }
    ]
  }
}
