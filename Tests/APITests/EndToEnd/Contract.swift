import Bytes

@testable import API

/// What `openapi.yaml` says of an answer, against which every answer of an end-to-end test is held.
struct Contract: Sendable {
  private let document: JSONValue

  static let shared = Contract()

  private init() {
    document = YAMLSubset.parse(String(decoding: OpenAPI.document, as: UTF8.self))
  }

  /// What is wrong with an answer; empty where it is as described.
  func faults(
    _ method: String,
    _ path: String,
    status: Int,
    type: String?,
    body: [UInt8],
    selectsFields: Bool
  ) -> [String] {
    guard method != "HEAD", method != "OPTIONS" else { return [] }
    if status >= 400 { return problemFaults(status, type, body) }
    guard let operation = operation(method, path) else {
      return ["\(method) \(path): no such path"]
    }
    guard let answer = operation["responses"]?["\(status)"].map(resolve) else {
      return ["\(method) \(path): \(status) is not described"]
    }
    guard type == "application/json" else { return [] }
    guard let value = try? JSONReader.parse(body.span) else { return ["no JSON"] }
    guard let schema = answer["content"]?["application/json"]?["schema"] else {
      return ["\(method) \(path): \(status) has no JSON"]
    }
    var faults: [String] = []
    check(value, schema, "", requires: !selectsFields, &faults)
    return faults
  }

  private func problemFaults(_ status: Int, _ type: String?, _ body: [UInt8]) -> [String] {
    guard type == "application/problem+json", let value = try? JSONReader.parse(body.span),
      let schema = document["components"]?["schemas"]?["Problem"]
    else { return ["\(status) is no problem+json"] }
    var faults: [String] = []
    check(value, schema, "", requires: true, &faults)
    if value["status"]?.intValue != Int64(status) { faults.append("status differs") }
    return faults
  }

  private func operation(_ method: String, _ path: String) -> JSONValue? {
    let segments = path.split(separator: "?")[0].split(separator: "/")
    guard case .object(let paths)? = document["paths"] else { return nil }
    return paths.first { entry in
      let pattern = entry.name.split(separator: "/")
      return pattern.count == segments.count && entry.value[method.lowercased()] != nil
        && zip(pattern, segments).allSatisfy(matches)
    }?.value[method.lowercased()]
  }

  private func matches(_ pattern: Substring, _ segment: Substring) -> Bool {
    guard pattern.hasPrefix("{") else { return pattern == segment }
    let action = pattern.drop { $0 != ":" }
    return segment.drop { $0 != ":" } == action
  }

  private func resolve(_ value: JSONValue) -> JSONValue {
    guard let reference = value["$ref"]?.stringValue else { return value }
    var found = document
    for step in reference.dropFirst(2).split(separator: "/") {
      found = found[String(step)] ?? .null
    }
    return resolve(found)
  }

  // MARK: - Schemas

  private func check(
    _ value: JSONValue,
    _ schema: JSONValue,
    _ at: String,
    requires: Bool,
    _ faults: inout [String]
  ) {
    let schema = resolve(schema)
    for part in schema["allOf"]?.arrayValue ?? [] {
      check(value, part, at, requires: requires, &faults)
    }
    if let choices = schema["anyOf"]?.arrayValue {
      let isAny = choices.contains { choice in
        var inner: [String] = []
        check(value, choice, at, requires: requires, &inner)
        return inner.isEmpty
      }
      if !isAny { faults.append("\(at): none of anyOf") }
    }
    if let values = schema["enum"]?.arrayValue, !values.contains(value) {
      faults.append("\(at): not in enum")
    }
    if let constant = schema["const"], constant != value { faults.append("\(at): not const") }
    checkType(value, schema, at, &faults)
    checkMembers(value, schema, at, requires: requires, &faults)
    if let items = schema["items"], let values = value.arrayValue {
      for (index, item) in values.enumerated() {
        check(item, items, "\(at)/\(index)", requires: requires, &faults)
      }
    }
  }

  private func checkType(
    _ value: JSONValue,
    _ schema: JSONValue,
    _ at: String,
    _ faults: inout [String]
  ) {
    let name =
      switch value {
      case .null: "null"
      case .bool: "boolean"
      case .int: "integer"
      case .double: "number"
      case .string: "string"
      case .array: "array"
      case .object: "object"
      }
    let allowed =
      schema["type"]?.arrayValue?.compactMap(\.stringValue)
      ?? schema["type"]?.stringValue.map { [$0] }
    if let allowed, !allowed.contains(name) { faults.append("\(at): \(name)") }
    if schema["format"]?.stringValue == "date-time", let text = value.stringValue {
      let bytes = Array(text.utf8)
      if Timestamp(rfc3339: bytes.span) == nil || !text.hasSuffix("Z") {
        faults.append("\(at): no time")
      }
    }
  }

  private func checkMembers(
    _ value: JSONValue,
    _ schema: JSONValue,
    _ at: String,
    requires: Bool,
    _ faults: inout [String]
  ) {
    guard case .object(let members) = value else { return }
    if requires {
      for name in schema["required"]?.arrayValue?.compactMap(\.stringValue) ?? []
      where value[name] == nil {
        faults.append("\(at)/\(name): missing")
      }
    }
    guard case .object(let properties)? = schema["properties"] else {
      guard let additional = schema["additionalProperties"], additional.boolValue == nil else {
        return
      }
      for member in members {
        check(member.value, additional, "\(at)/\(member.name)", requires: requires, &faults)
      }
      return
    }
    for member in members {
      if let property = properties.first(where: { $0.name == member.name }) {
        check(member.value, property.value, "\(at)/\(member.name)", requires: requires, &faults)
      } else if properties.count > 1 {
        faults.append("\(at)/\(member.name): not described")
      }
    }
  }
}
