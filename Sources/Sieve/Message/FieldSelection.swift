import Bytes
import MIME

/// Which fields a test looks at: by name, of which parts, and the how-manieth of them.
struct FieldSelection: Sendable {
  let names: FieldNames
  /// The how-manieth field of each name, counted from 1 (RFC 5260 §6); nil for all.
  let index: Int?
  /// Whether `index` counts from the last.
  let isFromLast: Bool
  /// Which parts' headers are looked at (RFC 5703 §4).
  let scope: PartScope

  /// The fields that the arguments of a test name.
  init(
    _ arguments: Arguments,
    names argument: SyntaxNode.Argument?,
    _ compiler: Compiler
  ) throws(Fault) {
    names = try compiler.fieldNames(argument)
    (index, isFromLast) = try FieldIndex.read(arguments, compiler)
    scope = PartScope(arguments)
    if scope != .message { compiler.shared.needsBody = true }
  }

  /// The values of the fields, decoded.
  @inline(__always)
  func forEachValue(
    _ run: Run,
    _ body: (Text) throws(RunStop) -> Bool
  ) throws(RunStop) -> Bool {
    guard let slots = wholeSlots else {
      return try forEachValueSlowly(run, body)
    }
    for slot in slots {
      for value in run.message.values(ofSlot: slot) where try body(value) { return true }
    }
    return false
  }

  private func forEachValueSlowly(
    _ run: Run,
    _ body: (Text) throws(RunStop) -> Bool
  ) throws(RunStop) -> Bool {
    for (header, fields) in try fields(run) {
      for field in fields where try body(MessageState.value(field, in: header)) { return true }
    }
    return false
  }

  /// The fields themselves, for each header and each name.
  func fields(_ run: Run) throws(RunStop) -> [(HeaderFields, [HeaderField])] {
    let names = fieldNames(run)
    var found: [(HeaderFields, [HeaderField])] = []
    for header in try scope.headers(run) {
      // RFC 5260 §6: the fields of all names are counted together, name by name.
      let fields = names.flatMap { MessageState.fields($0, in: header) }
      found.append((header, pick(fields)))
    }
    return found
  }

  /// The names in lower case.
  func fieldNames(_ run: Run) -> [[UInt8]] {
    switch names {
    case .slots(let slots): slots.map { run.message.name(ofSlot: $0) }
    case .dynamic(let expressions): expressions.map { $0.text(run).folded }
    }
  }

  /// The slots of the names where all fields of the message's own header count, so that its cache
  /// serves.
  var wholeSlots: [Int]? {
    guard case .slots(let slots) = names, index == nil, scope == .message else { return nil }
    return slots
  }

  private func pick(_ fields: [HeaderField]) -> [HeaderField] {
    guard let index else { return fields }
    let place = isFromLast ? fields.count - index : index - 1
    return fields.indices.contains(place) ? [fields[place]] : []
  }
}

/// Which parts' headers a test looks at (RFC 5703 §4).
enum PartScope: Sendable {
  /// The message's own header.
  case message
  /// The header of the part that the loop around is at; outside loops that of the message.
  case current
  /// That, and the headers of all parts in it.
  case children

  init(_ arguments: Arguments) {
    self = !arguments.has("mime") ? .message : arguments.has("anychild") ? .children : .current
  }

  /// The headers in this run.
  func headers(_ run: Run) throws(RunStop) -> [HeaderFields] {
    switch self {
    case .message: return [run.message.header]
    case .current:
      // The message's own header may have been edited since the loop began.
      guard let place = run.parts.last, place.id != 0 || place.generation != run.message.generation
      else { return [run.message.header] }
      return [place.part.header]
    case .children:
      let parts = run.partsInScope
      try run.count(parts.count / 16)
      return parts.map(\.header)
    }
  }
}

/// A part of a message that a loop is at (RFC 5703 §3).
struct PartPlace: Sendable {
  /// The message as it was when the loop began.
  let message: ParsedMessage
  let id: Int
  /// Which of the messages that the run has had this is of.
  let generation: Int

  var part: MessagePart { message.parts[id] }
}

extension Run {
  /// The whole message, with all that was put in the place of its parts; inside a loop without.
  var wholeMessage: ParsedMessage? {
    if parts.isEmpty { message.adoptReplacements() }
    return message.parsed
  }

  /// The part that the innermost loop is at.
  var currentPart: MessagePart? { parts.last?.part }

  /// The part that the innermost loop is at, or the message, and all parts in it.
  ///
  /// The message's own header is the one that the script changed.
  var partsInScope: [MessagePart] {
    guard let message = parts.last?.message ?? wholeMessage else { return [] }
    return message.descendants(of: parts.last?.id ?? 0).map { message.parts[$0] }
  }
}

extension ParsedMessage {
  /// The ids of a part and of all parts in it, in their order.
  func descendants(of root: Int) -> [Int] {
    var inside: Set<Int> = [root]
    var ids = parts.indices.contains(root) ? [root] : []
    for part in parts where part.id > root {
      guard let parent = part.parent, inside.contains(parent) else { continue }
      inside.insert(part.id)
      ids.append(part.id)
    }
    return ids
  }
}
