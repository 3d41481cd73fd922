import Bytes
import Sieve

extension ScriptPlan {
  /// What a run did, for the log; nil where it left the message as it was.
  func log(of outcome: ScriptOutcome) -> JSONValue? {
    if let error = outcome.error {
      return .array([Self.entry("error", "message", error.description)])
    }
    var entries = outcome.actions.map(Self.entry)
    let keep = outcome.implicitKeep
    if outcome.isImplicitlyKept, !keep.flags.isEmpty || keep.message != nil {
      entries.append(Self.entry(.keep(keep)))
    }
    return entries.isEmpty ? nil : .array(entries)
  }

  private static func entry(_ action: ScriptAction) -> JSONValue {
    switch action {
    case .keep(let delivery): entry("keep", delivery)
    case .fileInto(let path, let delivery): entry("fileinto", "mailbox", path, delivery)
    case .discard: entry("discard")
    case .redirect(let redirect): entry("redirect", "address", redirect.address)
    case .reject(let reason, _): entry("reject", "reason", reason)
    case .vacation(let vacation): entry("vacation", "subject", vacation.subject)
    case .notify(let notification): entry("notify", "method", notification.method)
    }
  }

  private static func entry(
    _ type: String,
    _ name: String? = nil,
    _ value: String = "",
    _ delivery: ScriptDelivery? = nil
  ) -> JSONValue {
    var members: [JSONValue.Member] = [.init(name: "type", value: .string(type))]
    if let name { members.append(.init(name: name, value: .string(value.withoutNUL))) }
    let flags = delivery?.flags ?? []
    if !flags.isEmpty {
      members.append(.init(name: "flags", value: .array(flags.map { .string($0) })))
    }
    if delivery?.message != nil { members.append(.init(name: "edited", value: .bool(true))) }
    return .object(members)
  }

  private static func entry(_ type: String, _ delivery: ScriptDelivery) -> JSONValue {
    entry(type, nil, "", delivery)
  }
}
