import Bytes
import Model

/// Rules as one Sieve script for one account, clause by clause, and what no script can do of them.
package struct RuleScript: Sendable {
  /// Where each clause of each rule is carried out.
  package private(set) var placements: [[ClausePlacement]] = []
  private let rules: [Rule]
  private let target: ScriptTarget

  /// Says of `rules`, in their order, where each clause is carried out.
  package init(_ rules: [Rule], for target: ScriptTarget) {
    self.rules = rules
    self.target = target
    var earlier = Earlier()
    for rule in rules {
      placements.append(place(rule, earlier))
      if rule.isEnabled { earlier.note(rule) }
    }
  }

  /// What enabled rules before a rule do that a script then cannot undo.
  private struct Earlier {
    var hasFiled = false
    var hasReplied = false

    mutating func note(_ rule: Rule) {
      // What stops says nothing to those behind it.
      if rule.files, !rule.stops { hasFiled = true }
      if rule.actions.contains(where: { if case .reply = $0 { true } else { false } }),
        !rule.stops
      {
        hasReplied = true
      }
    }
  }

  private func place(_ rule: Rule, _ earlier: Earlier) -> [ClausePlacement] {
    let conditions = ConditionScript(target: target)
    let actions = ActionScript(target: target)
    var found: [ClausePlacement] = []
    for leaf in rule.condition?.leaves ?? [] {
      found.append(ClausePlacement("/when\(leaf.place)", conditions.piece(leaf)))
    }
    var earlier = earlier
    for (index, action) in rule.actions.enumerated() {
      var placement = ClausePlacement("/actions/\(index)", actions.piece(action))
      if placement.side == .sieve, let reason = Self.conflict(action, rule, earlier) {
        placement = ClausePlacement(placement.pointer, .service, reason)
      }
      found.append(placement)
      if case .reply = action { earlier.hasReplied = true }
    }
    guard rule.trigger != .delivery else { return found }
    return found.map { placement in
      guard placement.side == .sieve else { return placement }
      return ClausePlacement(placement.pointer, .service, "Scripts run on new mail alone.")
    }
  }

  /// Why a script that runs the rules before it cannot do the same as the service; nil where it can.
  private static func conflict(_ action: RuleAction, _ rule: Rule, _ earlier: Earlier) -> String? {
    if action.marks || action.edits, earlier.hasFiled {
      return "A script cannot change what an earlier rule has filed; let that rule stop."
    }
    if case .reply = action, earlier.hasReplied {
      return "A script replies only once; let an earlier rule that replies stop."
    }
    return nil
  }

  /// Whether a script does all that the enabled rules ask for.
  package var isWhole: Bool {
    zip(rules, placements).allSatisfy { rule, placements in
      !rule.isEnabled || rule.trigger != .delivery || placements.allSatisfy { $0.side == .sieve }
    }
  }

  // MARK: - The script

  /// The script; nil where it would not do all that the rules ask for.
  package var text: String? {
    guard isWhole else { return nil }
    var needs: Set<String> = []
    var copied: Set<String> = []
    var body = ""
    for rule in rules {
      body += "\n# Rule: \(Self.line(rule.name))\n"
      body += "\(Self.mark)\(String(decoding: rule.json.encoded, as: UTF8.self))\n"
      guard rule.isEnabled, rule.trigger == .delivery else {
        body += "# It is \(rule.isEnabled ? "not for new mail" : "switched off").\n"
        continue
      }
      guard let commands = commands(rule, &needs, &copied) else { return nil }
      body += commands
    }
    if !needs.isEmpty {
      body = "\nrequire \(ScriptText.list(needs.sorted()));\n\(body)"
    }
    return "\(Self.title)\(Self.checksum(of: body))\n\(body)"
  }

  /// What the first line begins with; the checksum of what follows it ends it.
  static let title = "# Written by Restante from rules, which are read from it again. Checksum "
  /// What the line begins with that holds a rule as JSON.
  static let mark = "#: "

  /// A short digest, by which a script that somebody edited is told from ours (FNV-1a, 64 bits).
  package static func checksum(of text: String) -> String {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in text.utf8 where byte != .cr { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return String(hash, radix: 16)
  }

  private static func line(_ text: String) -> String {
    String(text.map { $0.isNewline ? " " : $0 })
  }

  /// The commands of a rule; `copied` has what it and rules before it leave copies with.
  ///
  /// Pigeonhole drops a command that repeats another, and with it that the message is no longer kept where the first one
  /// left it with `:copy`: there `discard` says so.
  private func commands(
    _ rule: Rule,
    _ needs: inout Set<String>,
    _ copied: inout Set<String>
  ) -> String? {
    var lines: [String] = []
    var discards = false
    // The flags of a message are those set before it is filed.
    let ordered = rule.actions.filter { !$0.files } + rule.actions.filter(\.files)
    for action in ordered {
      guard case .text(let text, let more) = ActionScript(target: target).piece(action) else {
        return nil
      }
      needs.formUnion(more)
      lines.append(text)
      switch action {
      case .copy(let name): copied.insert(place(name))
      case .move(let name): discards = discards || copied.contains(place(name))
      case .junk: discards = discards || copied.contains(place(RuleAction.MailboxName("junk")))
      case .redirect(let address, let keeps):
        if keeps { copied.insert("@\(address.lowercased())") }
        if !keeps, copied.contains("@\(address.lowercased())") { discards = true }
      default: break
      }
    }
    if discards { lines.append("discard;") }
    // Of several filings that mark as they go, the marks come first.
    lines = lines.flatMap { $0.hasPrefix("addflag \"$Junk\";\n") ? Self.split($0) : [$0] }
    lines = lines.filter(Self.marks) + lines.filter { !Self.marks($0) }
    if rule.stops { lines.append("stop;") }
    guard !lines.isEmpty else { return "# It does nothing.\n" }
    var test = "true"
    if let condition = rule.condition {
      guard let found = ConditionScript(target: target).test(condition) else { return nil }
      test = found.text
      needs.formUnion(found.needs)
    }
    return "if \(test) {\n\(Self.indented(lines))}\n"
  }

  /// What a mailbox is known by, whichever of its names a rule has.
  private func place(_ name: RuleAction.MailboxName) -> String {
    switch name.find(in: target.mailboxes) {
    case .existing(let mailbox): mailbox.path
    case .missing(let path): path
    case .unknown, .impossible: name.text
    }
  }

  private static func split(_ text: String) -> [String] {
    text.split(separator: "\n", maxSplits: 1).map(String.init)
  }

  private static func marks(_ line: String) -> Bool {
    line.hasPrefix("addflag") || line.hasPrefix("removeflag")
  }

  /// Commands on lines of their own; what stands in a multi-line text stays as it is.
  private static func indented(_ commands: [String]) -> String {
    commands.map { command in
      guard let start = command.firstRange(of: "text:\n") else {
        return "    \(command.replacing("\n", with: "\n    "))\n"
      }
      return "    \(command[..<start.lowerBound])\(command[start.lowerBound...])\n"
    }.joined()
  }
}

extension ClausePlacement {
  fileprivate init(_ pointer: String, _ piece: ScriptPiece) {
    switch piece {
    case .text: self.init(pointer, .sieve)
    case .service(let reason): self.init(pointer, .service, reason)
    case .unsupported(let reason): self.init(pointer, .unsupported, reason)
    }
  }
}

extension RuleScript {
  /// A script that replies and does nothing else, for who runs a reply without the rest.
  package static func vacation(_ reply: RuleReply, ownAddresses: [String]) -> String {
    var reply = reply
    (reply.firstDay, reply.lastDay) = (nil, nil)
    let target = ScriptTarget(
      capabilities: ["vacation"],
      mailboxes: [],
      ownAddresses: ownAddresses,
      canSend: true
    )
    guard case .text(let text, _) = ActionScript(target: target).piece(.reply(reply)) else {
      return ""
    }
    return "require \"vacation\";\n\(text)\n"
  }
}
