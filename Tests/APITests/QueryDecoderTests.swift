import HTTP
import HTTPTransport
import Model
import Testing

@testable import API

@Suite("Strict decoding of queries") struct QueryDecoderTests {
  private func error(_ target: String) -> ServiceError? {
    do throws(ServiceError) {
      var query = try QueryDecoder(HTTPRequest(method: .get, target: target))
      _ = PageRequest(&query, known: ["id", "subject"])
      var filter = MessageFilter(&query)
      filter.setSort(&query)
      try query.finish()
      return nil
    } catch {
      return error
    }
  }

  @Test(arguments: [
    "/m", "/m?", "/m?limit=500&unread=true&mailbox=inbox&sort=-size&fields=id,subject",
    "/m?after=2026-11-22T10:00:00Z&before=2026-11-22T10:00:00%2B01:00",
    "/m?after=2026-11-22T10:00:00+01:00",
  ])
  func `what is right passes`(target: String) {
    #expect(error(target) == nil)
  }

  @Test(arguments: [
    ("/m?limit=0", "?limit", "range"), ("/m?limit=501", "?limit", "range"),
    ("/m?limit=x", "?limit", "format"), ("/m?unread=1", "?unread", "format"),
    ("/m?limit=1&limit=2", "?limit", "repeated"), ("/m?sort=colour", "?sort", "format"),
    ("/m?fields=id,colour", "?fields", "format"), ("/m?fields=", "?fields", "format"),
    ("/m?filter=x", "?filter", "format"), ("/m?after=soon", "?after", "format"),
    ("/m?from=", "?from", "length"), ("/m?larger=-1", "?larger", "range"),
  ])
  func `a fault is 400 and named`(target: String, pointer: String, code: String) {
    let error = error(target)
    #expect(error?.code == .invalidRequest)
    #expect(error?.fields.map(\.pointer) == [pointer])
    #expect(error?.fields.map(\.code) == [code])
  }

  @Test(arguments: [
    ("%7B", "It is not JSON. The text ends too soon, at byte 1."),
    ("%7B%7D", "At least one condition is wanted."), ("1", "An object is wanted."),
    ("%7B%22text%22:%22%22%7D", "At /text: It is empty: something to look for is wanted."),
    ("%7B%22text%22:%22%20%22%7D", "At /text: It is empty: something to look for is wanted."),
    ("%7B%22operator%22:%22xor%22%7D", "At /operator: One of and, or, not is wanted."),
  ])
  func `what is wrong with a filter is said in words`(filter: String, detail: String) {
    #expect(error("/m?filter=\(filter)")?.fields.map(\.detail) == [detail])
  }

  @Test func `unknown parameters are named, all of them`() {
    let error = error("/m?colour=red&unread=true&size=1")
    #expect(error?.code == .unknownParameter)
    #expect(error?.fields.map(\.pointer) == ["?colour", "?size"])
  }

  @Test func `a mailbox that is neither id nor role is 422`() {
    #expect(error("/m?mailbox=INBOX")?.code == .unprocessable)
  }

  @Test func `a broken escape is 400`() {
    #expect(error("/m?from=%zz")?.code == .invalidRequest)
  }

  @Test func `the list that a cursor is bound to names every filter`() throws {
    var lists: Set<String> = []
    let targets = [
      "/m", "/m?mailbox=inbox", "/m?unread=true", "/m?from=a", "/m?to=a", "/m?sort=size",
      "/m?sort=-size", "/m?subject=a", "/m?after=2026-11-22T10:00:00Z", "/m?keyword=a",
      "/m?messageId=a",
    ]
    for target in targets {
      var query = try QueryDecoder(HTTPRequest(method: .get, target: target))
      var filter = MessageFilter(&query)
      filter.setSort(&query)
      lists.insert(filter.list(of: ID(1)))
    }
    #expect(lists.count == targets.count)
  }
}
