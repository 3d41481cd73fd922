/// What a positional argument must be.
enum Parameter {
  case number
  case string
  case strings
}

/// A family of tagged arguments that a command or test accepts, and that extensions add to.
enum TagFamily: Hashable {
  /// `:comparator`.
  case comparator
  /// `:is`, `:contains`, `:matches` and what extensions add.
  case matchType
  /// `:all`, `:localpart`, `:domain` and what extensions add.
  case addressPart
  /// Which fields of a name are looked at.
  case field
  /// Which parts of a message are looked at.
  case part
  /// How a message is put into a mailbox.
  case delivery
  /// What else names the mailbox, and whether it is made.
  case mailbox
  /// What belongs to `fileinto` alone.
  case fileInto
  case redirect
  case vacation
  /// How a response that is sent is filed.
  case response
  /// What changes the value of `set`.
  case setModifier
}

/// A tagged argument of a command or test.
struct TagDefinition {
  let name: String
  /// What stands behind the tag; nil where nothing does.
  var value: Parameter?
  /// Only one tag of a group may stand in a command.
  let group: String
  /// What the tag does to an action, where the command itself does not look at it.
  var modify: (@Sendable (TagArgument, Compiler) throws(Fault) -> ActionModifier)?

  init(
    _ name: String,
    _ value: Parameter? = nil,
    group: String? = nil,
    modify: (@Sendable (TagArgument, Compiler) throws(Fault) -> ActionModifier)? = nil
  ) {
    self.name = name
    self.value = value
    self.group = group ?? name
    self.modify = modify
  }
}

/// Changes what an action is about to do, while the script runs.
typealias ActionModifier = @Sendable (inout ActionOptions, Run) throws(RunStop) -> Void

/// How many tests stand behind the arguments.
enum TestCount {
  case none
  case one
  case many
}

/// A command: what it looks like, and what it becomes.
struct CommandDefinition {
  let name: String
  var parameters: [Parameter] = []
  /// Whether the first parameter may be left out, as in RFC 5232 §3.
  var isFirstOptional = false
  /// Whether the last parameter may be left out, as in RFC 5293 §5.
  var isLastOptional = false
  var tags: [TagDefinition] = []
  var families: Set<TagFamily> = []
  var tests = TestCount.none
  var hasBlock = false
  let compile: @Sendable (Arguments, Compiler) throws(Fault) -> any Statement
}

/// A test: what it looks like, and what it becomes.
struct TestDefinition {
  let name: String
  var parameters: [Parameter] = []
  /// Whether the first parameter may be left out, as in RFC 5232 §4.
  var isFirstOptional = false
  var tags: [TagDefinition] = []
  var families: Set<TagFamily> = []
  var tests = TestCount.none
  let compile: @Sendable (Arguments, Compiler) throws(Fault) -> any Test
}

/// A match type: from its tag, a way to hold a value against keys.
struct MatchTypeDefinition {
  let name: String
  /// What stands behind the tag, as `"gt"` behind `:value`.
  var value: Parameter?
  /// Whether values are looked for inside others, which not every comparator can.
  var needsSubstrings = false
  let compile: @Sendable (TagArgument, Comparator, Keys, Compiler) throws(Fault) -> any MatchMethod
}

/// A part of an address, by the tag that names it (RFC 5228 §2.7.4).
struct AddressPartDefinition {
  let name: String
  /// The part; nil where an address has none, so that it matches nothing.
  let extract: @Sendable (AddressValue) -> Text?
}

/// A namespace of variables (RFC 5229 §3), such as `envelope` in `${envelope.from}`.
struct NamespaceDefinition {
  let name: String
  /// What a reference is while the script runs; nil where the namespace has no such name.
  let compile: @Sendable (String, Compiler) -> StringPiece?
}

/// A modifier of `set` (RFC 5229 §4.1).
struct SetModifier {
  let name: String
  /// Modifiers of higher precedence come first; of one precedence only one may stand.
  let precedence: Int
  let apply: @Sendable ([UInt8]) -> [UInt8]
}
