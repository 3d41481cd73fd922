/// `:index` and `:last` (RFC 5260 §6).
extension ScriptExtension {
  static let index = ScriptExtension("index") { capability in
    capability.tags = [(.field, TagDefinition("index", .number)), (.field, TagDefinition("last"))]
  }
}

/// Which of several fields a command means.
enum FieldIndex {
  /// The number that the arguments give, and whether it counts from the last field.
  static func read(
    _ arguments: Arguments,
    _ compiler: Compiler
  ) throws(Fault) -> (index: Int?, isFromLast: Bool) {
    let last = arguments.tag("last")
    guard let tag = arguments.tag("index") else {
      if let last { throw Fault(at: last.offset, "':last' needs ':index'") }
      return (nil, false)
    }
    let number = compiler.number(tag.value)
    guard number > 0 else {
      throw Fault(at: tag.value?.offset ?? tag.offset, "':index' counts from 1")
    }
    return (Int(clamping: number), last != nil)
  }
}
