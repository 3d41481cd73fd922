import Bytes
import Model

// How settings stand in the json columns of `account`. Read back strictly: only this file writes them.

extension JSONValue {
  init(column text: String) throws(ServiceError) {
    var text = text
    text.makeContiguousUTF8()
    do {
      self = try JSONReader.parse(text.utf8.span)
    } catch {
      throw ServiceError(
        .internalError,
        "An internal error occurred.",
        cause: "json column: \(error)"
      )
    }
  }

  fileprivate func required(_ name: String) throws(ServiceError) -> String {
    guard let text = self[name]?.stringValue else {
      throw ServiceError(
        .internalError,
        "An internal error occurred.",
        cause: "json column lacks \(name)"
      )
    }
    return text
  }

  var text: String { String(decoding: encoded, as: UTF8.self) }
}

extension BackendSettings {
  var json: String {
    var members: [JSONValue.Member] = [
      .init(name: "protocol", value: .string(kind.rawValue)),
      .init(name: "host", value: .string(host)),
      .init(name: "port", value: .int(Int64(port))),
      .init(name: "tls", value: .string(security.rawValue)),
      .init(name: "authType", value: .string(authType.rawValue)),
      .init(name: "allowCleartext", value: .bool(allowCleartext)),
    ]
    if let username { members.append(.init(name: "username", value: .string(username))) }
    if let certificateSHA256 {
      members.append(.init(name: "certificateSHA256", value: .string(certificateSHA256)))
    }
    switch leaveOnServer {
    case nil: break
    case .notAtAll: members.append(.init(name: "daysOnServer", value: .int(0)))
    case .days(let days):
      members.append(.init(name: "daysOnServer", value: .int(Int64(days))))
    case .forever: members.append(.init(name: "daysOnServer", value: .int(-1)))
    }
    if deleteWhenRemoved {
      members.append(.init(name: "deleteWhenRemoved", value: .bool(true)))
    }
    return JSONValue.object(members).text
  }

  init(json text: String) throws(ServiceError) {
    let value = try JSONValue(column: text)
    self.init(
      kind: Kind(rawValue: try value.required("protocol")) ?? .imap,
      host: try value.required("host"),
      port: UInt16(clamping: value["port"]?.intValue ?? 0),
      security: Security(rawValue: try value.required("tls")) ?? .implicit,
      authType: AuthType(rawValue: try value.required("authType")) ?? .password,
      username: value["username"]?.stringValue,
      allowCleartext: value["allowCleartext"]?.boolValue ?? false,
      certificateSHA256: value["certificateSHA256"]?.stringValue
    )
    leaveOnServer = value["daysOnServer"]?.intValue.map { days in
      days < 0 ? .forever : days == 0 ? .notAtAll : .days(Int(days))
    }
    deleteWhenRemoved = value["deleteWhenRemoved"]?.boolValue ?? false
  }
}

extension SieveSettings {
  var json: String {
    JSONValue.object([
      .init(name: "server", value: .string(server.json)),
      .init(name: "hasOwnLogin", value: .bool(hasOwnLogin)),
    ]).text
  }

  init(json text: String) throws(ServiceError) {
    let value = try JSONValue(column: text)
    self.init(
      server: try BackendSettings(json: try value.required("server")),
      hasOwnLogin: value["hasOwnLogin"]?.boolValue ?? false
    )
  }
}

extension [Identity] {
  var json: String {
    JSONValue.array(
      map { identity in
        var members: [JSONValue.Member] = [
          .init(name: "id", value: .string(identity.id)),
          .init(name: "email", value: .string(identity.email)),
          .init(name: "isDefault", value: .bool(identity.isDefault)),
        ]
        if let name = identity.name { members.append(.init(name: "name", value: .string(name))) }
        if let replyTo = identity.replyTo {
          members.append(.init(name: "replyTo", value: .string(replyTo)))
        }
        return .object(members)
      }
    ).text
  }

  init(json text: String) throws(ServiceError) {
    self = []
    for value in try JSONValue(column: text).arrayValue ?? [] {
      append(
        Identity(
          id: try value.required("id"),
          name: value["name"]?.stringValue,
          email: try value.required("email"),
          replyTo: value["replyTo"]?.stringValue,
          isDefault: value["isDefault"]?.boolValue ?? false
        )
      )
    }
  }
}

extension AccountFailure {
  var json: String {
    var members: [JSONValue.Member] = [
      .init(name: "code", value: .string(code.rawValue)),
      .init(name: "message", value: .string(message)),
      .init(name: "at", value: .int(at.microseconds)),
    ]
    if let response { members.append(.init(name: "response", value: .string(response))) }
    return JSONValue.object(members).text
  }

  init(json text: String) throws(ServiceError) {
    let value = try JSONValue(column: text)
    self.init(
      code: ErrorCode(rawValue: try value.required("code")),
      message: try value.required("message"),
      response: value["response"]?.stringValue,
      at: Timestamp(microseconds: value["at"]?.intValue ?? 0)
    )
  }
}
