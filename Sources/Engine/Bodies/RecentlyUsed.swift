/// Keys in the order in which they were last used; each step takes the same time, however many there are.
struct RecentlyUsed<Key: Hashable> {
  private struct Neighbours {
    var older: Key?
    var newer: Key?
  }

  private var neighbours: [Key: Neighbours] = [:]
  /// The key whose use is longest ago.
  private(set) var oldest: Key?
  private var newest: Key?

  /// Makes `key` the one that was used last.
  mutating func use(_ key: Key) {
    guard newest != key else { return }
    remove(key)
    neighbours[key] = Neighbours(older: newest, newer: nil)
    if let newest { neighbours[newest]?.newer = key } else { oldest = key }
    newest = key
  }

  /// Forgets `key`, where it is known.
  mutating func remove(_ key: Key) {
    guard let gone = neighbours.removeValue(forKey: key) else { return }
    if let older = gone.older { neighbours[older]?.newer = gone.newer } else { oldest = gone.newer }
    if let newer = gone.newer { neighbours[newer]?.older = gone.older } else { newest = gone.older }
  }
}
