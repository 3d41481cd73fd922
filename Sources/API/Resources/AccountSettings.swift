import Bytes
import Engine
import Model

/// Reads the settings of an account from a request's body.
enum AccountSettings {
  /// A new account.
  static func draft(_ body: JSONValue) throws(ServiceError) -> AccountDraft {
    let faults = Faults()
    var object = ObjectDecoder(body, faults: faults)
    let name = object.string("name", length: 0...255)
    let email = object.string("email", .required, length: 3...254)
    if let email { TextRules.checkAddress(email, at: "/email", faults: faults) }
    if let name { TextRules.checkLine(name, at: "/name", faults: faults) }
    let mode: AccountMode? = object.choice("mode")
    let wantsDiscovery = !object.has("incoming")
    let incoming = object.object("incoming").flatMap { side($0, .incoming, of: nil) }
    let outgoing = object.object("outgoing").flatMap { side($0, .outgoing, of: nil) }
    let sieve = sieve(&object, besides: incoming)
    let identities = identities(&object)
    let quotaBytes = object.int("quotaBytes", in: 0...quotaLimit)
    object.finish()
    let effective = mode ?? defaultMode(incoming?.settings)
    if let incoming { check(effective, incoming, faults) }
    try faults.check()
    guard let incoming, let email else { throw missingIncoming(wantsDiscovery) }
    var draft = AccountDraft(
      name: name,
      email: email,
      mode: effective,
      incoming: incoming.settings,
      incomingSecret: incoming.secret,
      outgoing: outgoing?.settings,
      outgoingSecret: outgoing?.secret,
      identities: identities ?? []
    )
    draft.quotaBytes = quotaBytes
    (draft.sieve, draft.sieveSecret) = (sieve?.settings, sieve?.secret)
    return draft
  }

  /// More than any disk has.
  private static let quotaLimit: Int64 = 1 << 60

  private static func missingIncoming(_ wantsDiscovery: Bool) -> ServiceError {
    guard wantsDiscovery else {
      return ServiceError(
        .invalidRequest,
        "/incoming: It must not be null.",
        fields: [
          FieldError(
            pointer: "/incoming",
            code: FaultCode.type.rawValue,
            detail: "It must not be null."
          )
        ]
      )
    }
    return ServiceError(
      .discoveryUnavailable,
      "Settings are not discovered yet: name the incoming server.",
      fields: [
        FieldError(
          pointer: "/incoming",
          code: FaultCode.required.rawValue,
          detail: "It is missing."
        )
      ]
    )
  }

  /// A merge patch of `account`.
  static func patch(
    _ body: JSONValue,
    of account: Account
  ) throws(ServiceError) -> AccountPatch {
    let faults = Faults()
    var object = ObjectDecoder(body, faults: faults)
    var patch = AccountPatch()
    let name = object.change("name", { $0.string("name", length: 0...255) })
    switch name {
    case .unchanged, .cleared: break
    case .set(let name):
      TextRules.checkLine(name, at: "/name", faults: faults)
      patch.name = name
    }
    if object.has("email"), let email = object.string("email", .required, length: 3...254) {
      TextRules.checkAddress(email, at: "/email", faults: faults)
      patch.email = email
    }
    // As where an account is made without a name.
    if case .cleared = name { patch.name = patch.email ?? account.email }
    if object.has("mode") { patch.mode = object.choice("mode", .required) }
    if object.has("incoming"), let decoder = object.object("incoming", .required),
      let side = side(decoder, .incoming, of: account.incoming)
    {
      patch.incoming = side.settings
      patch.incomingSecret = side.secret
    }
    switch object.change("outgoing", { $0.object("outgoing") }) {
    case .unchanged: break
    case .cleared: patch.outgoing = .some(nil)
    case .set(let decoder):
      if let side = side(decoder, .outgoing, of: account.outgoing) {
        patch.outgoing = side.settings
        patch.outgoingSecret = side.secret
      }
    }
    readSieve(&object, of: account, into: &patch)
    if object.has("identities") {
      patch.identities = identities(&object, known: account.identities) ?? []
    }
    switch object.change("quotaBytes", { $0.int("quotaBytes", in: 0...quotaLimit) }) {
    case .unchanged: break
    case .cleared: patch.quotaBytes = .some(nil)
    case .set(let bytes): patch.quotaBytes = bytes
    }
    object.finish()
    checkMode(of: patch, account, faults)
    try faults.check()
    return patch
  }
}

// MARK: - One side

extension AccountSettings {
  /// Which server of an account.
  enum Role {
    case incoming, outgoing, sieve

    /// The protocols that are spoken, the usual one first, and those that a caller may know of but that are not.
    var protocols: (spoken: [BackendSettings.Kind], planned: [String]) {
      switch self {
      case .incoming: ([.imap, .pop3, .local], ["nntp"])
      case .outgoing: ([.smtp], ["direct"])
      case .sieve: ([.managesieve], [])
      }
    }

    /// The port that `settings` mean where they name none.
    func port(_ settings: BackendSettings) -> UInt16 {
      let isImplicit = settings.security == .implicit
      return switch (self, settings.kind) {
      case (.incoming, .pop3) where settings.authType == .kpop: 1109
      case (.incoming, .pop3): isImplicit ? 995 : 110
      case (.incoming, _): isImplicit ? 993 : 143
      case (.outgoing, _): isImplicit ? 465 : 587
      case (.sieve, _): SieveSettings.port
      }
    }
  }

  /// The settings of one server and its secret, where the request holds one.
  struct Side {
    var settings: BackendSettings
    var secret: Secret?
  }

  /// Reads one side; what a patch does not name stays as in `old`.
  static func side(
    _ decoder: ObjectDecoder,
    _ role: Role,
    of old: BackendSettings?
  ) -> Side? {
    var object = decoder
    let faults = object.faults
    guard let kind = kind(&object, role, old) else { return nil }
    if kind == .local {
      object.finish()
      return Side(settings: .local)
    }
    let host = object.string("host", old == nil ? .required : .optional, length: 1...253)
    if let host {
      TextRules.checkLine(host, at: object.pointer(to: "host"), faults: faults)
    }
    let security = object.choice("tls", as: BackendSettings.Security.self) ?? old?.security
    let port = object.int("port", in: 1...65535).map { UInt16($0) } ?? old?.port
    let allowCleartext = object.bool("allowCleartext") ?? old?.allowCleartext ?? false
    let pin = certificate(&object, old)
    let auth = auth(&object, role, kind, old)
    var settings = BackendSettings(
      kind: kind,
      host: host ?? old?.host ?? "",
      port: port ?? 0,
      security: security ?? .implicit,
      authType: auth.type,
      username: auth.username,
      allowCleartext: allowCleartext,
      certificateSHA256: pin
    )
    if port == nil { settings.port = role.port(settings) }
    if role == .incoming, kind != .local { readRetention(&object, old, into: &settings) }
    object.finish()
    return settings.host.isEmpty ? nil : Side(settings: settings, secret: auth.secret)
  }

  /// The protocol of one side, which stays what it was: another would leave the account's mail behind.
  ///
  /// Nil where it is another; what else stands there is of no account that could be.
  private static func kind(
    _ object: inout ObjectDecoder,
    _ role: Role,
    _ old: BackendSettings?
  ) -> BackendSettings.Kind? {
    let (spoken, planned) = role.protocols
    let usual = old?.kind ?? spoken[0]
    guard let name = object.string("protocol") else { return usual }
    let pointer = object.pointer(to: "protocol")
    if let kind = spoken.first(where: { $0.rawValue == name }) {
      guard old.map({ $0.kind == kind }) ?? true else {
        object.faults.addValue(pointer, .conflict, "The protocol of an account does not change.")
        return nil
      }
      return kind
    }
    if planned.contains(name) {
      object.faults.addValue(pointer, .unsupported, "\(name) is not spoken yet.")
    } else {
      let names = spoken.map(\.rawValue).joined(separator: " or ")
      object.faults.add(pointer, .format, "\(names) is wanted.")
    }
    return usual
  }

  private static func certificate(
    _ object: inout ObjectDecoder,
    _ old: BackendSettings?
  ) -> String? {
    switch object.change(
      "certificateSHA256",
      { $0.string("certificateSHA256", length: 64...64) }
    )
    {
    case .unchanged: return old?.certificateSHA256
    case .cleared: return nil
    case .set(let text):
      guard text.utf8.allSatisfy({ $0.hexValue != nil }) else {
        let pointer = object.pointer(to: "certificateSHA256")
        object.faults.addValue(pointer, .format, "64 hexadecimal digits are wanted.")
        return nil
      }
      return text.lowercased()
    }
  }

  /// How to sign in, and with what.
  private struct Auth {
    var type: BackendSettings.AuthType
    var username: String?
    var secret: Secret?
  }

  private static func auth(
    _ object: inout ObjectDecoder,
    _ role: Role,
    _ kind: BackendSettings.Kind,
    _ old: BackendSettings?
  ) -> Auth {
    let auth = auth(&object, role, of: kind, old)
    if kind == .pop3, auth.type == .none, object.faults.isEmpty {
      // A mailbox is somebody's: nobody reads by POP3 without a name.
      object.faults.add(object.pointer(to: "auth"), .required, "POP3 needs a login.")
    }
    return auth
  }

  private static func auth(
    _ object: inout ObjectDecoder,
    _ role: Role,
    of kind: BackendSettings.Kind,
    _ old: BackendSettings?
  ) -> Auth {
    switch object.change("auth", { $0.object("auth") }) {
    case .unchanged:
      return Auth(type: old?.authType ?? .none, username: old?.username)
    case .cleared:
      return Auth(type: .none)
    case .set(var auth):
      let named = authType(&auth, role, kind)
      let type =
        auth.has("type") ? named : old.map { $0.authType == .none ? .password : $0.authType }
      let username = auth.string("username", length: 1...512) ?? old?.username
      let secrets = [
        "password": auth.string("password", length: 0...4096),
        "accessToken": auth.string("accessToken", length: 0...16_384),
      ].compactMapValues { $0 }
      if let username {
        TextRules.checkLine(username, at: auth.pointer(to: "username"), faults: auth.faults)
      }
      for (name, secret) in secrets {
        TextRules.checkLine(secret, at: auth.pointer(to: name), faults: auth.faults)
      }
      auth.finish()
      // A type that is not known asks for nothing besides: that it is wrong is told already.
      guard type != nil || !auth.has("type") else { return Auth(type: .none) }
      let effective = type ?? .password
      guard effective != .none else { return Auth(type: .none) }
      let wanted = effective.hasSecret ? effective.secretName : nil
      for name in secrets.keys.sorted() where name != wanted {
        auth.faults.addValue(
          auth.pointer(to: name),
          .conflict,
          "Not with type \(effective.rawValue)."
        )
      }
      let secret = wanted.flatMap { secrets[$0] }
      if username == nil {
        auth.faults.add(auth.pointer(to: "username"), .required, "It is missing.")
      }
      if old == nil, secret == nil, let wanted {
        auth.faults.add(auth.pointer(to: wanted), .required, "It is missing.")
      }
      return Auth(type: effective, username: username, secret: secret.map { Secret($0) })
    }
  }

  private static func authType(
    _ auth: inout ObjectDecoder,
    _ role: Role,
    _ kind: BackendSettings.Kind
  ) -> BackendSettings.AuthType? {
    guard let name = auth.string("type") else { return nil }
    let pointer = auth.pointer(to: "type")
    guard let type = BackendSettings.AuthType(rawValue: name) else {
      let names = "password, oauth2, gssapi, rpop, kpop or none"
      auth.faults.add(pointer, .format, "\(names) is wanted.")
      return nil
    }
    let isSpoken =
      switch type {
      // Submission speaks neither yet.
      case .oauth2, .gssapi: role != .outgoing
      case .rpop, .kpop: kind == .pop3
      case .password, .none: true
      }
    guard isSpoken else {
      auth.faults.addValue(pointer, .unsupported, "\(name) is not supported here yet.")
      return nil
    }
    return type
  }

  /// The identities that replace those `known`, whose ids they may keep; others get ids of their own.
  ///
  /// Exactly one is the default: the first, where none says so.
  private static func identities(
    _ object: inout ObjectDecoder,
    known: [Identity] = []
  ) -> [Identity]? {
    guard let items = object.array("identities", count: 0...50) else { return nil }
    let faults = object.faults
    var identities: [Identity] = []
    for (pointer, value) in items {
      var item = ObjectDecoder(value, at: pointer, faults: faults)
      let kept = item.string("id", length: 1...64)
      let name = item.string("name", length: 0...998)
      let email = item.string("email", .required, length: 3...254)
      let replyTo = item.string("replyTo", length: 3...254)
      let isDefault = item.bool("isDefault") ?? false
      item.finish()
      if let name { TextRules.checkLine(name, at: "\(pointer)/name", faults: faults) }
      if let email { TextRules.checkAddress(email, at: "\(pointer)/email", faults: faults) }
      if let replyTo { TextRules.checkAddress(replyTo, at: "\(pointer)/replyTo", faults: faults) }
      if let kept, !known.contains(where: { $0.id == kept }) {
        faults.addValue("\(pointer)/id", .unknown, "The account has no identity of this id.")
      }
      if let kept, identities.contains(where: { $0.id == kept }) {
        faults.addValue("\(pointer)/id", .conflict, "Two identities have this id.")
      }
      if isDefault, identities.contains(where: \.isDefault) {
        faults.addValue("\(pointer)/isDefault", .conflict, "Two identities are the default.")
      }
      identities.append(
        Identity(
          id: kept ?? "",
          name: name,
          email: email ?? "",
          replyTo: replyTo,
          isDefault: isDefault
        )
      )
    }
    if !identities.isEmpty, !identities.contains(where: \.isDefault) {
      identities[0].isDefault = true
    }
    var number = 0
    for index in identities.indices where identities[index].id.isEmpty {
      repeat { number += 1 } while (known + identities).contains { $0.id == "idn_\(number)" }
      identities[index].id = "idn_\(number)"
    }
    return identities
  }
}
