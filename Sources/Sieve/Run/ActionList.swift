/// The actions of a run, kept free of contradictions and of repetitions (RFC 5228 §2.10).
struct ActionList {
  private(set) var actions: [ScriptAction] = []
  private var redirects = 0
  private var notifications = 0
  /// Whether an action took the place of the implicit keep.
  private(set) var cancelsImplicitKeep = false

  mutating func cancelImplicitKeep() { cancelsImplicitKeep = true }

  /// Adds an action; one that repeats another takes its place or changes nothing.
  mutating func add(
    _ action: ScriptAction,
    at offset: Int,
    _ limits: SieveLimits
  ) throws(RunStop) {
    try checkConflicts(action, at: offset)
    if replaceEqual(action) { return }
    guard actions.count < limits.actions else {
      throw RunStop(at: offset, "the script takes more than \(limits.actions) actions")
    }
    switch action {
    case .redirect:
      redirects += 1
      guard redirects <= limits.redirects else {
        throw RunStop(at: offset, "the script redirects more than \(limits.redirects) times")
      }
    case .notify:
      notifications += 1
      guard notifications <= limits.notifications else {
        throw RunStop(at: offset, "the script notifies more than \(limits.notifications) times")
      }
    default: break
    }
    actions.append(action)
  }

  /// Puts an action in the place of one to the same end; whether there was one.
  private mutating func replaceEqual(_ action: ScriptAction) -> Bool {
    let index = actions.firstIndex { other in
      switch (other, action) {
      case (.discard, .discard), (.keep, .keep): true
      case (.keep, .fileInto(let mailbox, _)), (.fileInto(let mailbox, _), .keep):
        mailbox.uppercased() == "INBOX"
      case (.fileInto(let one, let first), .fileInto(let other, let second)):
        one == other && first.specialUse == second.specialUse
          && first.mailboxID == second.mailboxID
      case (.redirect(let one), .redirect(let other)):
        one.isList == other.isList && Self.isSame(one.address, other.address)
      default: false
      }
    }
    guard let index else { return false }
    actions[index] = action
    return true
  }

  /// Whether two addresses are one: domains know no case.
  private static func isSame(_ one: String, _ other: String) -> Bool {
    let (one, other) = (AddressValue(one), AddressValue(other))
    guard let domain = one.domain else { return one.all.bytes == other.all.bytes }
    return one.localPart?.bytes == other.localPart?.bytes && domain.folded == other.domain?.folded
  }

  private func checkConflicts(_ action: ScriptAction, at offset: Int) throws(RunStop) {
    for other in actions {
      guard let message = Self.conflict(other, action) else { continue }
      throw RunStop(at: offset, message)
    }
  }

  /// Why two actions can't both be taken; nil where they can.
  private static func conflict(_ one: ScriptAction, _ other: ScriptAction) -> String? {
    switch (one, other) {
    case (.reject, .reject): "a message can be rejected only once"
    case (.vacation, .vacation): "'vacation' can be used only once"
    case (.reject, .discard), (.discard, .reject), (.reject, .notify), (.notify, .reject): nil
    case (.reject, _), (_, .reject): "'reject' can't stand together with another action"
    default: nil
    }
  }
}
