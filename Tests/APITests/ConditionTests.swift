import HTTP
import Model
import Testing

@testable import API

@Suite("Conditions, types and ranges (RFC 9110)") struct ConditionTests {
  @Test(arguments: [
    ("\"1\"", "1", true), ("\"1\", \"2\"", "2", true), ("*", "9", true), ("\"1\"", "2", false),
    ("W/\"1\"", "1", false), (" \"1\" ,, \"3\"", "3", true),
  ])
  func `If-Match compares strongly`(field: String, tag: String, isMatch: Bool) throws {
    let conditions = try Preconditions(["If-Match": field])
    do throws(ServiceError) {
      try conditions.requireMatch(ETag(tag))
      #expect(isMatch)
    } catch {
      #expect(!isMatch)
      #expect(error.code == .preconditionFailed)
    }
  }

  @Test(arguments: [
    ("\"1\"", "1", true), ("W/\"1\"", "1", true), ("*", "9", true), ("\"1\"", "2", false),
  ])
  func `If-None-Match compares weakly`(field: String, tag: String, isMatch: Bool) throws {
    let conditions = try Preconditions(["If-None-Match": field])
    #expect(conditions.isNotModified(ETag(tag)) == isMatch)
  }

  @Test(arguments: ["1", "\"1", "\"1\" \"2\"", "", "*, \"1\"", "w/\"1\""])
  func `what lists no tags is refused`(field: String) {
    #expect(throws: ServiceError.self) { _ = try Preconditions(["If-Match": field]) }
  }

  @Test func `without conditions anything goes`() throws {
    let conditions = try Preconditions([:])
    try conditions.requireMatch(ETag("1"))
    #expect(!conditions.isNotModified(ETag("1")))
  }

  @Test(arguments: [
    (nil, "application/json"), ("*/*", "application/json"),
    ("message/rfc822", "message/rfc822"),
    ("message/rfc822;q=0.5, application/json;q=0.4", "message/rfc822"),
    ("application/*", "application/json"), ("text/html, */*;q=0.1", "application/json"),
    ("application/json;q=0, message/*", "message/rfc822"), ("nonsense", "application/json"),
    ("MESSAGE/RFC822", "message/rfc822"),
  ])
  func `Accept chooses among what is offered`(accept: String?, expected: String) throws {
    var fields = HTTPFields()
    if let accept { fields.append("Accept", accept) }
    let chosen = try Acceptance(fields).choose([.json, .message])
    #expect("\(chosen.type)/\(chosen.subtype)" == expected)
  }

  @Test(arguments: ["text/html", "application/json;q=0", "application/json;q=0.000"])
  func `where nothing is acceptable the answer is 406`(accept: String) {
    do throws(ServiceError) {
      _ = try Acceptance(["Accept": accept]).choose([.json])
      Issue.record("accepted")
    } catch {
      #expect(error.code == .notAcceptable)
    }
  }

  @Test(arguments: [
    ("application/json", true), ("Application/JSON; charset=utf-8", true),
    ("application/merge-patch+json", true), ("application/x-www-form-urlencoded", true),
    ("text/plain", false), ("message/rfc822", false),
  ])
  func `a body's type says whether it is read as JSON`(type: String, isJSON: Bool) throws {
    #expect(try MediaType.ofBody(["Content-Type": type])?.isJSON == isJSON)
  }

  @Test(arguments: [
    ("bytes=0-4", ByteRange.part(0..<5)), ("bytes=5-", .part(5..<10)), ("bytes=-3", .part(7..<10)),
    ("bytes=-30", .part(0..<10)), ("bytes=9-100", .part(9..<10)), ("bytes=10-", .unsatisfiable),
    ("bytes=-0", .unsatisfiable), ("bytes=5-4", .whole), ("bytes=0-1,3-4", .whole),
    ("items=0-1", .whole), ("bytes=x", .whole), ("bytes=-", .whole),
    ("bytes=18446744073709551615-", .unsatisfiable),
    ("bytes=0-18446744073709551615", .part(0..<10)), ("BYTES=1-1", .part(1..<2)),
  ])
  func `Range asks for a part`(field: String, expected: ByteRange) {
    #expect(ByteRange(["Range": field], length: 10, tag: ETag("1")) == expected)
  }

  @Test func `If-Range of another version gives the whole body`() {
    let fields: HTTPFields = ["Range": "bytes=0-1", "If-Range": "\"0\""]
    #expect(ByteRange(fields, length: 10, tag: ETag("1")) == .whole)
    let same: HTTPFields = ["Range": "bytes=0-1", "If-Range": "\"1\""]
    #expect(ByteRange(same, length: 10, tag: ETag("1")) == .part(0..<2))
  }
}
