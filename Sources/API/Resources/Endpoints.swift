import Engine
import Model
import Store

/// What the handlers of all routes share; their methods stand in a file a resource.
struct Endpoints: Sendable {
  let store: Store
  let engine: Engine
  let configuration: APIConfiguration
  let cursors: CursorCoder
  let tokens: TokenCache

  init(store: Store, engine: Engine, configuration: APIConfiguration) {
    self.store = store
    self.engine = engine
    self.configuration = configuration
    cursors = CursorCoder(key: configuration.cursorKey)
    tokens = TokenCache(lifetime: configuration.limits.tokenCacheLifetime)
  }

  /// The account that the path of `call` names, which its token may see.
  func account(_ call: Call) async throws(ServiceError) -> Account {
    guard let account = try await store.account(try call.accountID()) else {
      throw .notFound
    }
    return account
  }

  /// The id after which a page of a list by id begins; nil for the first page.
  func position<Noun: Identified>(
    _ page: PageRequest,
    list: String,
    of noun: Noun.Type
  ) throws(ServiceError) -> ID<Noun>? {
    guard let cursor = page.cursor else { return nil }
    guard case .int(let number)? = try cursors.decode(cursor, list: list).first else {
      throw CursorCoder.invalid
    }
    return ID(number)
  }

  /// The page of a list by id out of `items`, of which one more than the limit was asked for.
  func page<Noun: Identified, Item>(
    _ items: [Item],
    _ page: PageRequest,
    list: String,
    id: (Item) -> ID<Noun>
  ) -> (items: ArraySlice<Item>, next: String?) {
    let shown = items.prefix(page.limit)
    guard items.count > page.limit, let last = shown.last else { return (shown, nil) }
    return (shown, cursors.encode([.int(id(last).rawValue)], list: list))
  }
}
