import Bytes

/// Variables, `set` and `string` (RFC 5229).
extension ScriptExtension {
  static let variables = ScriptExtension("variables") { capability in
    capability.changesReading = true
    capability.commands = [
      CommandDefinition(
        name: "set",
        parameters: [.string, .string],
        families: [.setModifier]
      ) { arguments, compiler throws(Fault) in
        let target = try VariableReference(arguments.positional[0], compiler)
        let value = try compiler.string(arguments.positional[1])
        let modifiers = compiler.setModifiers(arguments)
        return Command { run throws(RunStop) in
          var bytes = value.bytes(run)
          for modifier in modifiers { bytes = modifier.apply(bytes) }
          run.set(target, to: bytes)
          return .next
        }
      }
    ]
    capability.tests = [
      TestDefinition(
        name: "string",
        parameters: [.strings, .strings],
        families: [.comparator, .matchType]
      ) { arguments, compiler throws(Fault) in
        let sources = try compiler.strings(arguments.positional[0])
        let matcher = try compiler.matcher(arguments, keys: arguments.positional[1])
        return Condition { run throws(RunStop) in
          var matching = matcher.begin(run)
          for source in sources {
            let text = source.text(run)
            // RFC 5229 §5: an empty string does not count for `:count`.
            if matching.countsValues, text.bytes.isEmpty { continue }
            if try matching.offer(text) { return true }
          }
          return try matching.finish()
        }
      }
    ]
    capability.setModifiers = [
      SetModifier(name: "lower", precedence: 40) { $0.lowercased },
      SetModifier(name: "upper", precedence: 40) { $0.map(\.asciiUppercased) },
      SetModifier(name: "lowerfirst", precedence: 30) { bytes in
        bytes.prefix(1).map(\.asciiLowercased) + bytes.dropFirst()
      },
      SetModifier(name: "upperfirst", precedence: 30) { bytes in
        bytes.prefix(1).map(\.asciiUppercased) + bytes.dropFirst()
      },
      SetModifier(name: "quotewildcard", precedence: 20) { bytes in
        bytes.flatMap { byte -> [UInt8] in
          byte == 0x2A || byte == 0x3F || byte == 0x5C ? [0x5C, byte] : [byte]
        }
      },
      SetModifier(name: "length", precedence: 10) { bytes in
        var digits: [UInt8] = []
        // Characters, not bytes: those that continue one do not count.
        digits.append(decimal: bytes.count { $0 & 0xC0 != 0x80 })
        return digits
      },
    ]
  }
}

extension Compiler {
  /// The modifiers that stand in a command, in the order they are applied.
  func setModifiers(_ arguments: Arguments) -> [SetModifier] {
    arguments.tags.compactMap { language.setModifiers[$0.definition.name] }
      .sorted { $0.precedence > $1.precedence }
  }
}

/// A variable that a command sets.
enum VariableReference: Sendable {
  case slot(Int)
  case global(String)

  /// The variable that an argument names.
  init(_ argument: SyntaxNode.Argument?, _ compiler: Compiler) throws(Fault) {
    let name = try compiler.constant(argument)
    try self.init(name, at: argument?.offset ?? 0, compiler)
  }

  /// The variable of a name.
  init(_ name: [UInt8], at offset: Int, _ compiler: Compiler) throws(Fault) {
    let name = name.lowercased.text
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    if parts.count == 2, parts[0] == "global", Self.isIdentifier(parts[1]),
      compiler.language.names.contains("include")
    {
      self = .global(String(parts[1]))
      return
    }
    guard parts.count == 1, Self.isIdentifier(parts[0]) else {
      throw Fault(at: offset, "\"\(name)\" is no name of a variable that can be set")
    }
    self =
      compiler.globals.contains(name) ? .global(name) : .slot(try compiler.slot(name, at: offset))
  }

  static func isIdentifier(_ name: some StringProtocol) -> Bool {
    guard let first = name.utf8.first, first.isASCIILetter || first == 0x5F else { return false }
    return name.utf8.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || $0 == 0x5F }
  }
}

extension Run {
  /// The value of a variable; empty where it was never set.
  func value(of variable: VariableReference) -> [UInt8] {
    switch variable {
    case .slot(let slot): slot < variables.count ? variables[slot] : []
    case .global(let name): globals[name] ?? []
    }
  }

  /// Sets a variable; what is too long is cut at a character.
  func set(_ variable: VariableReference, to value: [UInt8]) {
    var value = value
    if value.count > limits.variableBytes {
      var end = limits.variableBytes
      while end > 0, value[end] & 0xC0 == 0x80 { end -= 1 }
      value = [UInt8](value[..<end])
    }
    switch variable {
    case .slot(let slot): if slot < variables.count { variables[slot] = value }
    case .global(let name): globals[name] = value
    }
  }
}

/// References to variables in strings (RFC 5229 §3).
enum VariableReferences {
  /// The pieces of a string: text, and variables in between; what is no reference is text.
  static func pieces(
    of bytes: [UInt8],
    at offset: Int,
    _ compiler: Compiler
  ) throws(Fault) -> [StringPiece] {
    var pieces: [StringPiece] = []
    var plain: [UInt8] = []
    var position = 0
    while position < bytes.count {
      guard bytes[position] == 0x24, let (path, end) = reference(bytes, position) else {
        plain.append(bytes[position])
        position += 1
        continue
      }
      if !plain.isEmpty { pieces.append(.literal(plain)) }
      plain = []
      if let piece = try piece(path, at: offset, compiler) { pieces.append(piece) }
      position = end
    }
    if !plain.isEmpty { pieces.append(.literal(plain)) }
    return pieces
  }

  /// Whether a reference stands in a string.
  static func stand(in bytes: [UInt8]) -> Bool {
    bytes.indices.contains { bytes[$0] == 0x24 && reference(bytes, $0) != nil }
  }

  /// The names of the reference that begins at `start`, and where it ends; nil where none does.
  private static func reference(_ bytes: [UInt8], _ start: Int) -> (path: [String], end: Int)? {
    var reader = ByteReader(bytes.span)
    reader.seek(to: start)
    guard reader.consume("${") else { return nil }
    var path: [String] = []
    repeat {
      let range = reader.take { $0.isASCIILetter || $0.isASCIIDigit || $0 == 0x5F }
      let name = [UInt8](bytes[range]).lowercased
      let isNumber = !name.isEmpty && name.allSatisfy(\.isASCIIDigit)
      let isLast = reader.next != 0x2E
      guard VariableReference.isIdentifier(name.text) || (isNumber && isLast) else { return nil }
      path.append(name.text)
    } while reader.consume(0x2E)
    return reader.consume(0x7D) ? (path, reader.position) : nil
  }

  private static func piece(
    _ path: [String],
    at offset: Int,
    _ compiler: Compiler
  ) throws(Fault) -> StringPiece? {
    guard let name = path.last else { return nil }
    if path.count > 1 {
      let namespace = path.dropLast().joined(separator: ".")
      guard let piece = compiler.language.namespaces[namespace]?.compile(name, compiler) else {
        throw Fault(at: offset, "\"${\(path.joined(separator: "."))}\" names no variable")
      }
      return piece
    }
    if let digit = name.utf8.first, digit.isASCIIDigit {
      compiler.shared.keepsMatches = true
      let most = 99
      return Int(name).flatMap { $0 <= most ? .match($0) : nil }
    }
    if compiler.globals.contains(name) { return .global(name) }
    return .variable(try compiler.slot(name, at: offset))
  }
}
