/// A capability that a script may `require` (RFC 5228 §3.2), and all that comes with it.
///
/// Each extension is one value in one file, and `Capabilities.all` is the one list of them: nothing
/// else of the target knows which there are.
struct ScriptExtension {
  /// The string of `require`.
  let name: String
  var commands: [CommandDefinition] = []
  var tests: [TestDefinition] = []
  /// Tags added to commands and tests of others.
  var tags: [(family: TagFamily, tag: TagDefinition)] = []
  var matchTypes: [MatchTypeDefinition] = []
  var addressParts: [AddressPartDefinition] = []
  var namespaces: [NamespaceDefinition] = []
  var setModifiers: [SetModifier] = []
  /// Capabilities that this one brings along.
  var implies: [String] = []
  /// Whether it changes how a script is read, so that `ihave` must not offer it (RFC 5463 §4).
  var changesReading = false

  init(_ name: String) { self.name = name }

  /// An extension that `configure` fills.
  init(_ name: String, _ configure: (inout ScriptExtension) -> Void) {
    self.name = name
    configure(&self)
  }
}
