/// `:list`, `valid_ext_list` and `redirect :list` (RFC 6134).
extension ScriptExtension {
  static let externalLists = ScriptExtension("extlists") { capability in
    capability.matchTypes = [
      MatchTypeDefinition(name: "list") { _, _, _, _ in ListMatch() }
    ]
    capability.tags = [(.redirect, TagDefinition("list"))]
    capability.tests = [
      TestDefinition(name: "valid_ext_list", parameters: [.strings]) {
        arguments,
        compiler throws(Fault) in
        let names = try compiler.strings(arguments.positional[0])
        return Condition { run throws(RunStop) in
          for name in names {
            let list = ListName.expand(name.bytes(run).text)
            guard try run.flag(.listExists(list)) else { return false }
          }
          return true
        }
      }
    ]
  }
}

/// `:list`: the value is in one of the lists that the keys name.
private final class ListMatch: MatchMethod {
  func matches(_ value: Text, _ keys: [Text], _ run: Run) throws(RunStop) -> Bool {
    for key in keys {
      let question = ScriptQuestion.isInList(
        name: ListName.expand(key.string),
        value: value.bytes.trimmed.text
      )
      guard try run.flag(question) else { continue }
      // RFC 6134 §2.2: `${0}` is what matched.
      if run.keepsMatches { run.matched = [value.bytes] }
      return true
    }
    return false
  }
}

/// The names of external lists: URIs (RFC 6134 §2.5).
enum ListName {
  /// The whole URI: a name that begins with a colon is short for a parameter of Sieve.
  static func expand(_ name: String) -> String {
    name.hasPrefix(":") ? "urn:ietf:params:sieve\(name)" : name
  }
}
