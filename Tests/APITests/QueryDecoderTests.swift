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

  @Test(arguments: [
    ("q=%00", "?q", "forbidden_character", "U+0000 is not allowed."),
    ("filter=%7B%00%7D", "?filter", "forbidden_character", "U+0000 is not allowed."),
    ("after=2026-11-22%00", "?after", "forbidden_character", "U+0000 is not allowed."),
    ("cursor=%ff", "?cursor", "format", "It is not UTF-8."),
    ("fields=id,%C3", "?fields", "format", "It is not UTF-8."),
    ("from=%zz", "?from", "format", "A % is not followed by two hexadecimal digits."),
    ("limit=5%", "?limit", "format", "A % is not followed by two hexadecimal digits."),
  ])
  func `a value that cannot be read is named, with what is wrong`(
    query: String,
    pointer: String,
    code: String,
    detail: String
  ) {
    let error = error("/m?\(query)")
    let wanted: ErrorCode = code == "format" ? .invalidRequest : .unprocessable
    #expect(error?.code == wanted)
    #expect(error?.message == "\(pointer): \(detail)")
    #expect(error?.fields == [FieldError(pointer: pointer, code: code, detail: detail)])
  }

  @Test func `a value that cannot be read hides no other fault`() {
    let all = error("/m?q=%00&limit=0&from=%zz&colour=%ff")
    #expect(all?.code == .invalidRequest)
    #expect(all?.fields.map(\.pointer) == ["?limit", "?from", "?colour", "?q"])
    #expect(error("/m?colour=%00")?.code == .unknownParameter)
    #expect(error("/m?from=a&from=%zz")?.fields.map(\.code) == ["repeated"])
  }

  @Test func `each value of a parameter is read by itself`() throws {
    var query = try QueryDecoder(HTTPRequest(method: .get, target: "/m?a=x&a=%ff&a=%00&a=y"))
    let values = query.strings("a", count: 4)
    #expect(values == ["x", "y"])
    #expect(query.faults.shape.map(\.detail) == ["It is not UTF-8."])
    #expect(query.faults.value.map(\.detail) == ["U+0000 is not allowed."])
  }

  @Test(arguments: [
    ("%00", "U+0000 is not allowed."), ("%ff", "It is not UTF-8."),
    ("a%", "A % is not followed by two hexadecimal digits."),
  ])
  func `a name that cannot be read is told as that`(name: String, reason: String) {
    let error = error("/m?limit=5&\(name)=x")
    #expect(error?.code == .invalidRequest)
    #expect(error?.message == "A parameter's name cannot be read. \(reason)")
  }

  @Test(arguments: [
    (#"{"from":"\u0000"}"#, ["/from"]), (#"{"is":"\u0000"}"#, ["/is"]),
    (#"{"text":"a\u0000","phrase":"\u0000b"}"#, ["/text", "/phrase"]),
    (
      #"{"operator":"or","conditions":[{"to":"x"},{"subject":"a\u0000b"}]}"#,
      ["/conditions/1/subject"]
    ),
  ])
  func `a filter that holds U+0000 is told with its places, and as nothing else`(
    filter: String,
    places: [String]
  ) {
    let error = error("/m?filter=\(filter)")
    #expect(error?.code == .unprocessable)
    let faults = places.map { place in
      FieldError(
        pointer: "?filter",
        code: "forbidden_character",
        detail: "At \(place): U+0000 is not allowed."
      )
    }
    #expect(error?.fields == faults)
  }

  @Test(arguments: [
    (#""\u0000""#, ["An object is wanted.", "U+0000 is not allowed."]),
    (
      #"{"from":["\u0000"]}"#,
      ["At /from: A text is wanted.", "At /from/0: U+0000 is not allowed."]
    ),
    (
      #"{"from":"\u0000","is":"red"}"#,
      [
        "At /is: One of unread, flagged, answered, draft is wanted behind \"is:\".",
        "At /from: U+0000 is not allowed.",
      ]
    ),
  ])
  func `what else is wrong with a filter that holds U+0000 is told too`(
    filter: String,
    details: [String]
  ) {
    let error = error("/m?filter=\(filter)")
    #expect(error?.code == .invalidRequest)
    #expect(error?.fields.map(\.detail) == details)
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
