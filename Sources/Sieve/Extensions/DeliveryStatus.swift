/// `redirect-dsn` and `envelope-dsn` (RFC 6009).
extension ScriptExtension {
  static let redirectDSN = ScriptExtension("redirect-dsn") { capability in
    capability.tags = [
      (
        .redirect,
        TagDefinition("notify", .string) { tag, compiler throws(Fault) in
          let value = try compiler.string(tag.value)
          if let text = value.constant { try check(text.text, tag.offset, isNotify: true) }
          let offset = tag.offset
          return { options, run throws(RunStop) in
            let text = value.bytes(run).text.uppercased()
            guard isNotify(text) else {
              throw RunStop(at: offset, "\"\(text)\" is no value of NOTIFY")
            }
            options.dsnNotify = text
          }
        }
      ),
      (
        .redirect,
        TagDefinition("ret", .string) { tag, compiler throws(Fault) in
          let value = try compiler.string(tag.value)
          if let text = value.constant { try check(text.text, tag.offset, isNotify: false) }
          let offset = tag.offset
          return { options, run throws(RunStop) in
            let text = value.bytes(run).text.uppercased()
            guard isReturn(text) else {
              throw RunStop(at: offset, "\"\(text)\" is no value of RET")
            }
            options.dsnReturn = text
          }
        }
      ),
    ]
  }

  static let envelopeDSN = ScriptExtension("envelope-dsn")

  private static func check(_ text: String, _ offset: Int, isNotify: Bool) throws(Fault) {
    let isGood = isNotify ? self.isNotify(text.uppercased()) : isReturn(text.uppercased())
    guard isGood else { throw Fault(at: offset, "\"\(text)\" is no value of this argument") }
  }

  /// Whether text is a value of NOTIFY (RFC 3461 §4.1).
  private static func isNotify(_ text: String) -> Bool {
    if text == "NEVER" { return true }
    let words = text.split(separator: ",", omittingEmptySubsequences: false)
    return Set(words).count == words.count
      && words.allSatisfy { ["SUCCESS", "FAILURE", "DELAY"].contains($0) }
  }

  /// Whether text is a value of RET (RFC 3461 §4.3).
  private static func isReturn(_ text: String) -> Bool { text == "FULL" || text == "HDRS" }
}

extension EnvelopePart {
  /// The parts of the envelope that RFC 6009 §4 adds.
  static let dsn = [
    EnvelopePart(name: "notify", capability: "envelope-dsn") { envelope in
      envelope.dsnNotify?.split(separator: ",").map(String.init) ?? []
    },
    EnvelopePart(name: "orcpt", capability: "envelope-dsn") { envelope in
      envelope.dsnOriginalRecipient.map { [$0] } ?? []
    },
    EnvelopePart(name: "ret", capability: "envelope-dsn") { envelope in
      envelope.dsnReturn.map { [$0] } ?? []
    },
    EnvelopePart(name: "envid", capability: "envelope-dsn") { envelope in
      envelope.dsnEnvelopeID.map { [$0] } ?? []
    },
  ]
}
