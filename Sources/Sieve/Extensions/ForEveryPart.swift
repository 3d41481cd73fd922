import MIME

/// `foreverypart` and `break` (RFC 5703 §3).
extension ScriptExtension {
  static let forEveryPart = ScriptExtension("foreverypart") { capability in
    capability.commands = [
      CommandDefinition(
        name: "foreverypart",
        tags: [TagDefinition("name", .string)],
        hasBlock: true
      ) { arguments, compiler throws(Fault) in
        let name = try arguments.tag("name").map { tag throws(Fault) in
          try compiler.constant(tag.value).text
        }
        compiler.shared.needsBody = true
        compiler.loops.append(name)
        defer { compiler.loops.removeLast() }
        return ForEveryPartCommand(body: compiler.block(arguments.node.block ?? []))
      },
      CommandDefinition(name: "break", tags: [TagDefinition("name", .string)]) {
        arguments,
        compiler throws(Fault) in
        let name = try arguments.tag("name").map { tag throws(Fault) in
          try compiler.constant(tag.value).text
        }
        let index = compiler.loops.lastIndex { name == nil || $0 == name }
        guard let index else {
          throw Fault(
            at: arguments.offset,
            name.map { "no loop around is named \"\($0)\"" } ?? "'break' must stand in a loop"
          )
        }
        let distance = compiler.loops.count - 1 - index
        return Command { _ throws(RunStop) in .break(distance) }
      },
    ]
  }
}

/// A loop over the parts of the message, or in another loop over those of the part it is at.
private final class ForEveryPartCommand: Statement {
  private let body: Block

  init(body: Block) { self.body = body }

  func execute(_ run: Run) throws(RunStop) -> Flow {
    guard let message = run.parts.last?.message ?? run.wholeMessage else { return .next }
    try run.count(message.parts.count / 16)
    let generation = run.parts.last?.generation ?? run.message.generation
    let all = message.descendants(of: run.parts.last?.id ?? 0)
    // The outer loop is at the part itself already.
    for id in all.dropFirst(run.parts.isEmpty ? 0 : 1)
    where generation != run.message.generation || !run.message.isReplaced(id, in: message) {
      // A message that was replaced as a whole has none of these parts any more.
      if run.message.lastReplacement > generation { break }
      run.parts.append(PartPlace(message: message, id: id, generation: generation))
      defer { run.parts.removeLast() }
      try run.count()
      switch try body.execute(run) {
      case .next: continue
      case .break(let distance): return distance == 0 ? .next : .break(distance - 1)
      case .stop: return .stop
      case .return: return .return
      }
    }
    return .next
  }
}
