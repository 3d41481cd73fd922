import MIME

/// The tests of the core language (RFC 5228 §5), but for `envelope`, which must be required.
extension ScriptExtension {
  static let coreTests = ScriptExtension("tests") { core in
    core.tests =
      logic + [
        TestDefinition(
          name: "address",
          parameters: [.strings, .strings],
          families: [.comparator, .matchType, .addressPart, .field, .part]
        ) { arguments, compiler throws(Fault) in try AddressTest(arguments, compiler) },
        TestDefinition(
          name: "header",
          parameters: [.strings, .strings],
          families: [.comparator, .matchType, .field, .part]
        ) { arguments, compiler throws(Fault) in
          guard let aspect = try MIMEAspect(arguments, compiler) else {
            return try HeaderTest(arguments, compiler)
          }
          return try MIMEHeaderTest(arguments, aspect, compiler)
        },
        TestDefinition(name: "exists", parameters: [.strings], families: [.part]) {
          arguments,
          compiler throws(Fault) in try ExistsTest(arguments, compiler)
        },
        TestDefinition(
          name: "size",
          parameters: [],
          tags: [
            TagDefinition("over", .number, group: "limit"),
            TagDefinition("under", .number, group: "limit"),
          ]
        ) { arguments, compiler throws(Fault) in try SizeTest(arguments, compiler) },
      ]
  }

  private static let logic = [
    TestDefinition(name: "true") { _, _ in Condition { _ throws(RunStop) in true } },
    TestDefinition(name: "false") { _, _ in Condition { _ throws(RunStop) in false } },
    TestDefinition(name: "not", tests: .one) { arguments, compiler throws(Fault) in
      let inner = try compiler.test(arguments.node.tests[0])
      return Condition { run throws(RunStop) in try !inner.evaluate(run) }
    },
    TestDefinition(name: "allof", tests: .many) { arguments, compiler throws(Fault) in
      let tests = try compiler.tests(arguments)
      return Condition { run throws(RunStop) in
        for test in tests where try !test.evaluate(run) { return false }
        return true
      }
    },
    TestDefinition(name: "anyof", tests: .many) { arguments, compiler throws(Fault) in
      let tests = try compiler.tests(arguments)
      return Condition { run throws(RunStop) in
        for test in tests where try test.evaluate(run) { return true }
        return false
      }
    },
  ]
}

extension Compiler {
  /// The tests behind a test, each compiled even where one before it is wrong.
  fileprivate func tests(_ arguments: Arguments) throws(Fault) -> [any Test] {
    var tests: [any Test] = []
    for node in arguments.node.tests { tests.append(try test(node)) }
    return tests
  }
}

/// `header` (RFC 5228 §5.7).
private final class HeaderTest: Test {
  private let fields: FieldSelection
  private let matcher: Matcher
  /// The slots of the fields where all fields of the message's own header count.
  private let slots: [Int]?

  init(_ arguments: Arguments, _ compiler: Compiler) throws(Fault) {
    fields = try FieldSelection(arguments, names: arguments.positional[0], compiler)
    matcher = try compiler.matcher(arguments, keys: arguments.positional[1])
    slots = fields.wholeSlots
  }

  func evaluate(_ run: Run) throws(RunStop) -> Bool {
    try run.count()
    if let slots, let keys = matcher.simpleKeys {
      for slot in slots {
        for value in run.message.values(ofSlot: slot)
        where try matcher.method.matches(value, keys, run) {
          return true
        }
      }
      return false
    }
    var matching = matcher.begin(run)
    if try fields.forEachValue(run, { value throws(RunStop) in try matching.offer(value) }) {
      return true
    }
    return try matching.finish()
  }
}

/// `address` (RFC 5228 §5.1).
private final class AddressTest: Test {
  private let fields: FieldSelection
  private let matcher: Matcher
  private let part: AddressPartDefinition
  /// The slots of the fields where all fields of the message's own header count.
  private let slots: [Int]?

  init(_ arguments: Arguments, _ compiler: Compiler) throws(Fault) {
    fields = try FieldSelection(arguments, names: arguments.positional[0], compiler)
    matcher = try compiler.matcher(arguments, keys: arguments.positional[1])
    part = compiler.addressPart(arguments)
    slots = fields.wholeSlots
    for literal in try compiler.literals(arguments.positional[0]) {
      guard let name = try compiler.expression(literal).constant?.lowercased.text,
        !Self.holdsAddresses(name)
      else { continue }
      throw Fault(at: literal.offset, "\"\(name)\" is no field of addresses; test it by 'header'")
    }
  }

  /// Whether a field may hold addresses, which RFC 5228 §5.1 restricts the test to: those of the mail
  /// standards, and others whose names say so.
  private static func holdsAddresses(_ name: String) -> Bool {
    if ["from", "sender", "return-path", "mailing-list", "list-post"].contains(name) {
      return true
    }
    return ["x-", "resent-"].contains { name.hasPrefix($0) }
      || ["to", "cc", "from", "sender", "for"].contains { name.hasSuffix($0) }
  }

  func evaluate(_ run: Run) throws(RunStop) -> Bool {
    try run.count()
    if let slots, let keys = matcher.simpleKeys {
      for slot in slots {
        for address in run.message.addresses(ofSlot: slot) {
          guard let value = part.extract(address) else { continue }
          if try matcher.method.matches(value, keys, run) { return true }
        }
      }
      return false
    }
    var matching = matcher.begin(run)
    if let slots {
      for slot in slots {
        for address in run.message.addresses(ofSlot: slot)
        where try matching.offer(part.extract(address)) {
          return true
        }
      }
      return try matching.finish()
    }
    for (header, fields) in try fields.fields(run) {
      for field in fields {
        let addresses = AddressValue.list(header.bytes.span.extracting(field.body))
        for address in addresses where try matching.offer(part.extract(address)) { return true }
      }
    }
    return try matching.finish()
  }
}

/// `exists` (RFC 5228 §5.5): every field is there.
private final class ExistsTest: Test {
  private let fields: FieldSelection

  init(_ arguments: Arguments, _ compiler: Compiler) throws(Fault) {
    fields = try FieldSelection(arguments, names: arguments.positional[0], compiler)
  }

  func evaluate(_ run: Run) throws(RunStop) -> Bool {
    try run.count()
    let headers = try fields.scope.headers(run)
    for name in fields.fieldNames(run) {
      let isThere = headers.contains { !MessageState.fields(name, in: $0).isEmpty }
      guard isThere else { return false }
    }
    return true
  }
}

/// `size` (RFC 5228 §5.9).
private final class SizeTest: Test {
  let limit: UInt64
  let isOver: Bool

  init(_ arguments: Arguments, _ compiler: Compiler) throws(Fault) {
    guard let tag = arguments.tag(inGroup: "limit") else {
      throw Fault(at: arguments.offset, "'size' needs ':over' or ':under'")
    }
    limit = compiler.number(tag.value)
    isOver = tag.definition.name == "over"
  }

  func evaluate(_ run: Run) throws(RunStop) -> Bool {
    try run.count()
    let size = UInt64(run.message.size)
    return isOver ? size > limit : size < limit
  }
}
