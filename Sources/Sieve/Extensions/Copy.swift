/// `:copy` of `fileinto` and `redirect` (RFC 3894).
extension ScriptExtension {
  static let copy = ScriptExtension("copy") { capability in
    let tag = TagDefinition("copy") { _, _ throws(Fault) in
      { options, _ throws(RunStop) in options.isCopy = true }
    }
    capability.tags = [(.fileInto, tag), (.redirect, tag)]
  }
}
