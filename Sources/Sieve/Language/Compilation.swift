/// What a script and all that it includes share while they are compiled.
final class Compilation {
  let limits: SieveLimits
  let source: any ScriptSource
  /// The extensions that are implemented, and yet not to be used.
  let missing: Set<String>
  /// The names of fields that scripts ask for, each once, in lower case; a test knows its place.
  private(set) var fieldNames: [[UInt8]] = []
  private var fieldSlots: [[UInt8]: Int] = [:]
  /// Whether a script looks at more than the header.
  var needsBody = false
  /// Whether a script refers to what wildcards matched, so that runs keep it.
  var keepsMatches = false
  /// The scripts that are being compiled, to find one that includes itself.
  var path: [IncludedScript] = []
  /// Compiled scripts, so that one that is included twice is compiled once.
  var programs: [IncludedScript: Program] = [:]
  var includeCount = 0
  /// Errors of included scripts.
  var nested: [ScriptError] = []

  init(limits: SieveLimits, source: any ScriptSource, missing: Set<String>) {
    self.missing = missing
    self.limits = limits
    self.source = source
  }

  /// The extension of this name, where it may be used.
  func capability(_ name: String) -> ScriptExtension? {
    missing.contains(name) ? nil : Capabilities.byName[name]
  }

  /// The slot of a field name.
  func slot(ofField name: [UInt8]) -> Int {
    let name = name.lowercased
    if let slot = fieldSlots[name] { return slot }
    fieldSlots[name] = fieldNames.count
    fieldNames.append(name)
    return fieldNames.count - 1
  }
}

/// A script that another may include, by its name and where it is kept (RFC 6609 §3.2).
package struct IncludedScript: Hashable, Sendable {
  /// Where a script is kept.
  package enum Location: String, Hashable, Sendable {
    /// With the user's own scripts.
    case personal
    /// With the scripts that a site offers to all of its users.
    case global
  }

  /// The name.
  package var name: String
  /// Where it is kept.
  package var location: Location

  /// A script of a name and a location.
  package init(name: String, location: Location) {
    self.name = name
    self.location = location
  }
}

/// Where the compiler finds the scripts that are included.
package protocol ScriptSource {
  /// The text of a script; nil where there is none.
  func text(of script: IncludedScript) -> [UInt8]?
}

/// No script is there to be included.
package struct NoScripts: ScriptSource {
  /// A source of nothing.
  package init() {}

  /// Never any text.
  package func text(of script: IncludedScript) -> [UInt8]? { nil }
}
