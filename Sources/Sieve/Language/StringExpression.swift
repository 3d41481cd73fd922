/// A piece of a string that is put together while a script runs (RFC 5229 §3).
enum StringPiece: Sendable {
  case literal([UInt8])
  /// A variable of the script, by its slot.
  case variable(Int)
  /// What a wildcard matched, by its number (RFC 5229 §3.2).
  case match(Int)
  /// A variable that all scripts share (RFC 6609 §3.4).
  case global(String)
  /// What a namespace of an extension holds.
  case lookup(@Sendable (Run) -> [UInt8])
}

/// A string of a script: known when it is compiled, or put together when it is run.
enum StringExpression: Sendable {
  case literal(Text)
  case template([StringPiece])

  /// The string in this run.
  func text(_ run: Run) -> Text {
    switch self {
    case .literal(let text): text
    case .template(let pieces): Text(run.expand(pieces))
    }
  }

  /// The bytes of the string in this run.
  func bytes(_ run: Run) -> [UInt8] {
    switch self {
    case .literal(let text): text.bytes
    case .template(let pieces): run.expand(pieces)
    }
  }

  /// The string where it is known without a run.
  var constant: [UInt8]? {
    guard case .literal(let text) = self else { return nil }
    return text.bytes
  }
}

/// A list of strings to compare with.
enum Keys: Sendable {
  case fixed([Text])
  case dynamic([StringExpression])

  init(_ expressions: [StringExpression]) {
    let fixed = expressions.compactMap { expression -> Text? in
      guard case .literal(let text) = expression else { return nil }
      return text
    }
    self = fixed.count == expressions.count ? .fixed(fixed) : .dynamic(expressions)
  }

  /// The strings in this run.
  func texts(_ run: Run) -> [Text] {
    switch self {
    case .fixed(let texts): texts
    case .dynamic(let expressions): expressions.map { $0.text(run) }
    }
  }
}
