import Bytes
import Engine
import Model
import Rules

/// Reads rules from a body, and holds what they name against the account.
struct RuleDecoding {
  private let storable: StorableJSON
  private let faults: Faults

  init(_ storable: StorableJSON, _ faults: Faults) {
    self.storable = storable
    self.faults = faults
  }

  /// The rule that `value` spells, or makes of `base`; nil where its shape is wrong, which is noted.
  func rule(_ value: JSONValue, at pointer: String = "", patching base: Rule? = nil) -> Rule? {
    var reader = RuleReader()
    let rule = reader.rule(value, at: pointer, patching: base, ignoring: ["position"])
    for fault in reader.faults where !storable.explains(fault.pointer) {
      let code = FaultCode(rawValue: fault.code) ?? .format
      if code == .forbiddenCharacter {
        faults.addValue(fault.pointer, code, fault.detail)
      } else {
        faults.add(fault.pointer, code, fault.detail)
      }
    }
    return rule
  }

  /// Notes mailboxes and lists that are not there, in what `body` says anew of `rule`.
  func check(
    _ rule: Rule,
    _ body: JSONValue,
    at pointer: String = "",
    _ known: AccountRules,
    isStored: Bool = false
  ) {
    var changed = rule
    if body["actions"] == nil { changed.actions = [] }
    if body["when"] == nil, body["q"] == nil { changed.condition = nil }
    Self.check(changed, at: pointer, known, isStored: isStored, faults)
  }

  /// Notes mailboxes that are not there and cannot be made, lists that are not there, and of a rule that is to be stored what
  /// nobody can send.
  static func check(
    _ rule: Rule,
    at pointer: String,
    _ known: AccountRules,
    isStored: Bool,
    _ faults: Faults
  ) {
    let mailboxes = known.namedMailboxes
    for (index, action) in rule.actions.enumerated() {
      let place = "\(pointer)/actions/\(index)"
      if isStored, action.sends, !known.account.canSend {
        faults.addValue(place, .unsupported, "The account has no outgoing server.")
      }
      switch action.mailbox?.find(in: mailboxes) {
      case .unknown:
        faults.addValue("\(place)/mailbox", .notFound, "The account has no such mailbox.")
      case .impossible:
        faults.addValue("\(place)/mailbox", .format, "No mailbox can have this name.")
      case .existing, .missing, nil: break
      }
    }
    for leaf in rule.condition?.leaves ?? [] {
      guard case .test(let test) = leaf.content, test.comparison == .inList else { continue }
      let lists = test.values.map { ID<AddressListing>(text: $0) }
      guard lists.contains(where: { $0.map { known.lists[$0] == nil } ?? true }) else { continue }
      faults.addValue(
        "\(pointer)/when\(leaf.place)/value",
        .notFound,
        "The account has no such list."
      )
    }
  }
}

extension Account {
  /// Whether anybody sends what its rules want sent: the service, or the server that runs scripts.
  var canSend: Bool { outgoing != nil || sieve != nil }
}
