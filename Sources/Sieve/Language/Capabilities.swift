/// The extensions that scripts may use.
package enum Capabilities {
  /// The names of all extensions that are implemented, sorted: what a server advertises.
  package static let names: [String] = all.map(\.name).sorted()

  /// What needs no `require`.
  static let core: [ScriptExtension] = [
    .coreControls, .coreActions, .coreTests, .coreMatching, .coreAddressParts,
  ]

  /// What must be required.
  static let all: [ScriptExtension] = [
    .fileInto, .reject, .extendedReject, .envelope, .encodedCharacter, .asciiNumeric, .octet,
    .asciiCasemap, .copy, .imap4Flags, .variables, .vacation, .vacationSeconds, .relational,
    .subaddress, .body, .date, .index, .mailbox, .mailboxMetadata, .serverMetadata, .specialUse,
    .include, .duplicate, .editHeader, .environment, .ihave, .mime, .forEveryPart, .extractText,
    .replace, .enclose, .spamTest, .spamTestPlus, .virusTest, .notify, .regex, .externalLists,
    .mailboxID, .fileCarbonCopy, .redirectDSN, .envelopeDSN,
  ]

  static let byName: [String: ScriptExtension] = Dictionary(
    uniqueKeysWithValues: all.map { ($0.name, $0) }
  )

  /// The language of scripts that require nothing.
  static let coreLanguage: Language = {
    var language = Language()
    for capability in core { language.add(capability) }
    return language
  }()

  /// Which extension brings a command, for the error that asks for it.
  static func owner(ofCommand name: String) -> String? {
    all.first { $0.commands.contains { $0.name == name } }?.name
  }

  /// Which extension brings a test.
  static func owner(ofTest name: String) -> String? {
    all.first { $0.tests.contains { $0.name == name } }?.name
  }

  /// Which extension brings a tag of these families.
  static func owner(ofTag name: String, in families: Set<TagFamily>) -> String? {
    all.first { capability in
      capability.tags.contains { families.contains($0.family) && $0.tag.name == name }
        || (families.contains(.matchType) && capability.matchTypes.contains { $0.name == name })
        || (families.contains(.addressPart) && capability.addressParts.contains { $0.name == name })
        || (families.contains(.setModifier) && capability.setModifiers.contains { $0.name == name })
    }?.name
  }
}

/// What a script may use at the place that is being compiled: the core and what it required.
struct Language {
  private(set) var names: Set<String> = []
  private(set) var commands: [String: CommandDefinition] = [:]
  private(set) var tests: [String: TestDefinition] = [:]
  private(set) var matchTypes: [String: MatchTypeDefinition] = [:]
  private(set) var addressParts: [String: AddressPartDefinition] = [:]
  private(set) var namespaces: [String: NamespaceDefinition] = [:]
  private(set) var setModifiers: [String: SetModifier] = [:]
  private var tags: [TagFamily: [TagDefinition]] = [:]

  mutating func add(_ capability: ScriptExtension) {
    guard names.insert(capability.name).inserted else { return }
    for command in capability.commands { commands[command.name] = command }
    for test in capability.tests { tests[test.name] = test }
    for type in capability.matchTypes {
      matchTypes[type.name] = type
      tags[.matchType, default: []].append(
        TagDefinition(type.name, type.value, group: TagGroup.matchType)
      )
    }
    for part in capability.addressParts {
      addressParts[part.name] = part
      tags[.addressPart, default: []].append(
        TagDefinition(part.name, group: TagGroup.addressPart)
      )
    }
    for namespace in capability.namespaces { namespaces[namespace.name] = namespace }
    for modifier in capability.setModifiers {
      setModifiers[modifier.name] = modifier
      tags[.setModifier, default: []].append(
        TagDefinition(modifier.name, group: "modifier \(modifier.precedence)")
      )
    }
    for (family, tag) in capability.tags { tags[family, default: []].append(tag) }
    for name in capability.implies {
      if let implied = Capabilities.byName[name] { add(implied) }
    }
  }

  /// The tag of this name that `families` bring.
  func tag(_ name: String, in families: Set<TagFamily>) -> TagDefinition? {
    for family in families {
      if let tag = tags[family]?.first(where: { $0.name == name }) { return tag }
    }
    return nil
  }
}

/// The groups of tags that more than one file knows.
enum TagGroup {
  static let matchType = "match type"
  static let addressPart = "address part"
  static let comparator = "comparator"
  static let mailboxName = "name of the mailbox"
}
