import Model

/// What every list takes: `limit`, `cursor`, `fields`, `total`.
struct PageRequest {
  /// How many items at most.
  var limit: Int
  /// What the cursor says the page comes after; nil for the first page.
  var cursor: String?
  var fields: FieldSelection
  var wantsTotal: Bool

  static let defaultLimit = 50
  static let maximumLimit: Int64 = 500

  /// What `query` asks of a list whose items have the members `known`.
  init(_ query: inout QueryDecoder, known: [String]) {
    limit = query.int("limit", in: 1...Self.maximumLimit).map { Int($0) } ?? Self.defaultLimit
    cursor = query.string("cursor", length: 1...4096)
    fields = FieldSelection(&query, known: known)
    wantsTotal = query.bool("total") ?? false
  }
}

/// The members that `fields=` selects.
struct FieldSelection: Sendable {
  /// The names; nil is all.
  private let names: Set<String>?

  static let all = FieldSelection(names: nil)

  private init(names: Set<String>?) { self.names = names }

  /// What `query` selects of the members `known`; `id` is always among it.
  init(_ query: inout QueryDecoder, known: [String]) {
    names = query.names("fields", known: known)?.union(["id"])
  }

  /// Whether every member is wanted.
  var isAll: Bool { names == nil }

  /// Whether the member is wanted.
  func contains(_ name: String) -> Bool { names?.contains(name) ?? true }

  /// Whether the member is wanted.
  func contains(_ name: StaticString) -> Bool {
    guard let names else { return true }
    return names.contains(name.description)
  }
}
