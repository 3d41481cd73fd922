import Bytes
import Engine
import HTTPTransport
import Model
import Store

extension Endpoints {
  /// Answers `GET /v1/search`: one list over the accounts that the token may see.
  ///
  /// Each account is asked for a page of its own and the pages are merged: no statement touches two accounts.
  func search(_ call: Call) async throws(ServiceError) -> HTTPResponse {
    var query = try call.query()
    let named = query.strings("account", count: Self.searchedAccounts, length: 1...64)
    let request = PageRequest(&query, known: MessageMembers.names)
    var filter = MessageQuery()
    filter.search = SearchDecoding.query(&query)
    if filter.search == nil, query.faults.isEmpty {
      query.faults.add("?q", .required, "Say what to look for by q or filter.")
    }
    let accounts = try await visibleAccounts(named, faults: query.faults, call)
    // Where what was named is at fault, these are not those that were meant.
    if accounts.count > Self.searchedAccounts, query.faults.isEmpty {
      query.faults.addValue(
        "?account",
        .range,
        "The token sees more than \(Self.searchedAccounts) accounts: name those to search."
      )
    }
    try query.finish()
    let list = "search/\(accounts)/\(filter)"
    let position = try request.cursor.map { cursor throws(ServiceError) in
      try messagePosition(cursor, list: list)
    }
    let findings = await findings(filter, of: accounts, continues: position != nil)
    var pages: [(account: ID<Account>, page: MessagePage)] = []
    for account in accounts {
      pages.append(
        (
          account,
          try await store.messages(
            of: account,
            filter,
            findings[account] ?? SearchFindings(),
            after: position,
            limit: request.limit
          )
        )
      )
    }
    let found = Self.merge(pages.map(\.page))
    let shown = found.prefix(request.limit)
    var answer = Page(partial: accounts.flatMap { findings[$0]?.gaps ?? [] })
    if found.count > shown.count || pages.contains(where: { $0.page.hasMore }),
      let last = shown.last
    {
      let row = pages[last.page].page.row(last.row)
      answer.next = cursors.encode(
        [.text("\(row.receivedAt.microseconds)"), .int(0), .int(row.id.rawValue)],
        list: list
      )
    }
    if request.wantsTotal {
      var total: Int64 = 0
      for account in accounts {
        total += try await store.countMessages(
          of: account,
          filter,
          findings[account] ?? SearchFindings()
        )
      }
      answer.total = total
    }
    return try write(shown, of: pages, answer, MessageMembers(request.fields), call)
  }

  /// What the servers of all accounts find, asked at the same time; one that cannot be asked leaves a gap.
  private func findings(
    _ query: MessageQuery,
    of accounts: [ID<Account>],
    continues: Bool
  ) async -> [ID<Account>: SearchFindings] {
    guard query.search?.termsOfServers.isEmpty == false else { return [:] }
    return await withTaskGroup(of: (ID<Account>, SearchFindings).self) { group in
      for account in accounts {
        group.addTask { [engine] in
          do throws(ServiceError) {
            return (account, try await engine.find(query, of: account, continues: continues))
          } catch {
            let gap = SearchGap(account: account, mailbox: nil, error: error)
            return (account, SearchFindings(gaps: [gap]))
          }
        }
      }
      return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
    }
  }

  /// How many accounts one search may cover.
  static let searchedAccounts = 50

  /// A message of one of several pages.
  private typealias Place = (page: Int, row: Int)

  /// The messages of all pages, newest first.
  private static func merge(_ pages: [MessagePage]) -> [Place] {
    var places: [(key: (Int64, Int64), place: Place)] = []
    for (index, page) in pages.enumerated() {
      for row in 0..<page.count {
        let message = page.row(row)
        places.append(((message.receivedAt.microseconds, message.id.rawValue), (index, row)))
      }
    }
    return places.sorted { $0.key > $1.key }.map(\.place)
  }

  private func write(
    _ places: ArraySlice<Place>,
    of pages: [(account: ID<Account>, page: MessagePage)],
    _ answer: Page,
    _ members: MessageMembers,
    _ call: Call
  ) throws(ServiceError) -> HTTPResponse {
    var failure: ServiceError?
    let response = answer.response(to: call, capacity: 256 + places.count * 850) { json in
      for place in places {
        json.beginObject()
        json.member("accountId") { $0.id(pages[place.page].account) }
        json.key("message")
        do throws(ServiceError) {
          try MessageJSON.write(pages[place.page].page.row(place.row), members, to: &json)
        } catch {
          failure = error
          return
        }
        json.endObject()
      }
    }
    if let failure { throw failure }
    return response
  }

  /// The accounts that are named, or all that the token may see, one more than can be searched at most.
  private func visibleAccounts(
    _ names: [String],
    faults: Faults,
    _ call: Call
  ) async throws(ServiceError) -> [ID<Account>] {
    if !names.isEmpty { return try await accounts(names, faults: faults, call).sorted() }
    if let visible = call.access.accounts { return visible.sorted() }
    return try await store.accounts(after: nil, limit: Self.searchedAccounts + 1).map(\.id)
  }
}
