/// The prepared statements of one connection by their text, the least recently used leaving first.
struct StatementCache {
  private struct Entry {
    var name: String
    var types: [UInt32]
    var lastUse: UInt64
  }

  private let capacity: Int
  private var entries: [String: Entry] = [:]
  private var clock: UInt64 = 0
  private var lastNumber = 0
  /// Statements that the server still holds and nobody will ask for again.
  private(set) var dropped: [String] = []

  init(capacity: Int) { self.capacity = max(1, capacity) }

  /// How many statements are kept.
  var count: Int { entries.count }

  /// A name no statement of this connection had before.
  mutating func makeName() -> String {
    lastNumber += 1
    return "s\(lastNumber)"
  }

  /// The name under which the statement is prepared for values of these types; nil if it is not.
  mutating func name(for text: String, types: [UInt32]) -> String? {
    guard let entry = entries[text], entry.types == types else { return nil }
    clock += 1
    entries[text]?.lastUse = clock
    return entry.name
  }

  /// Remembers a statement that the server has prepared.
  mutating func insert(_ text: String, types: [UInt32], name: String) {
    clock += 1
    let old = entries.updateValue(
      Entry(name: name, types: types, lastUse: clock),
      forKey: text
    )
    if let old { dropped.append(old.name) }
    guard entries.count > capacity,
      let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse })
    else { return }
    entries[oldest.key] = nil
    dropped.append(oldest.value.name)
  }

  /// Forgets a statement whose plan the server no longer accepts.
  mutating func evict(_ text: String) {
    if let entry = entries.removeValue(forKey: text) { dropped.append(entry.name) }
  }

  /// The statements to deallocate, which are forgotten by this.
  mutating func takeDropped() -> [String] {
    let names = dropped
    dropped = []
    return names
  }
}
