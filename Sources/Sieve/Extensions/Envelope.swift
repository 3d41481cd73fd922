/// `envelope` (RFC 5228 §5.4).
extension ScriptExtension {
  static let envelope = ScriptExtension("envelope") { capability in
    capability.tests = [
      TestDefinition(
        name: "envelope",
        parameters: [.strings, .strings],
        families: [.comparator, .matchType, .addressPart]
      ) { arguments, compiler throws(Fault) in try EnvelopeTest(arguments, compiler) }
    ]
  }
}

/// A part of the envelope that a test names.
struct EnvelopePart: Sendable {
  let name: String
  /// The extension that brings it; nil for those of `envelope` itself.
  var capability: String?
  /// Whether it is an address, so that `:domain` and its like mean something.
  var isAddress = false
  /// Its values; none where the envelope does not have it.
  let values: @Sendable (ScriptEnvelope) -> [String]

  static let all = core + EnvelopePart.dsn

  private static let core = [
    EnvelopePart(name: "from", isAddress: true) { [$0.from] },
    EnvelopePart(name: "to", isAddress: true) { [$0.to] },
    // RFC 4954 §5: who the sender authenticated as; a name that other servers know too.
    EnvelopePart(name: "auth") { $0.authenticated.map { [$0] } ?? [] },
  ]
}

private final class EnvelopeTest: Test {
  let parts: [StringExpression]
  let matcher: Matcher
  let addressPart: AddressPartDefinition
  let names: Set<String>

  init(_ arguments: Arguments, _ compiler: Compiler) throws(Fault) {
    parts = try compiler.strings(arguments.positional[0])
    matcher = try compiler.matcher(arguments, keys: arguments.positional[1])
    addressPart = compiler.addressPart(arguments)
    let language = compiler.language.names
    let known = EnvelopePart.all.filter { part in
      part.capability.map { language.contains($0) } ?? true
    }
    names = Set(known.map(\.name))
    let hasAddressPart = arguments.tag(inGroup: TagGroup.addressPart) != nil
    for literal in try compiler.literals(arguments.positional[0]) {
      let expression = try compiler.expression(literal)
      guard let name = expression.constant else { continue }
      guard let part = known.first(where: { $0.name == name.lowercased.text }) else {
        throw Fault(at: literal.offset, "the envelope has no part \"\(name.text)\"")
      }
      if hasAddressPart, !part.isAddress {
        throw Fault(at: literal.offset, "\"\(name.text)\" of the envelope is no address")
      }
    }
  }

  func evaluate(_ run: Run) throws(RunStop) -> Bool {
    try run.count()
    var matching = matcher.begin(run)
    for expression in parts {
      let name = expression.text(run).folded.text
      guard names.contains(name), let part = EnvelopePart.all.first(where: { $0.name == name })
      else { continue }
      for value in part.values(run.envelope) {
        // RFC 5228 §5.4: the null reverse-path is empty, whichever part of it is asked for.
        let compared =
          part.isAddress && !value.isEmpty
          ? addressPart.extract(AddressValue(value)) : Text(value)
        if try matching.offer(compared) { return true }
      }
    }
    return try matching.finish()
  }
}
