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
    _ known: AccountRules
  ) {
    var changed = rule
    if body["actions"] == nil { changed.actions = [] }
    if body["when"] == nil, body["q"] == nil { changed.condition = nil }
    Self.check(changed, at: pointer, known, faults)
  }

  /// Notes mailboxes and lists that are not there.
  static func check(_ rule: Rule, at pointer: String, _ known: AccountRules, _ faults: Faults) {
    let mailboxes = known.namedMailboxes
    for (index, action) in rule.actions.enumerated() {
      guard let name = action.mailbox, case .unknown = name.find(in: mailboxes) else { continue }
      faults.addValue(
        "\(pointer)/actions/\(index)/mailbox",
        .notFound,
        "The account has no such mailbox."
      )
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
