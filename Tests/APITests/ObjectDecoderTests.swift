import Bytes
import Model
import Testing

@testable import API

@Suite("Strict decoding of objects") struct ObjectDecoderTests {
  private struct Fault: Equatable, CustomStringConvertible {
    var pointer: String
    var code: String
    var description: String { "\(pointer) \(code)" }
  }

  private enum Colour: String, CaseIterable { case red, green }

  /// Decodes an object with one member of each kind and returns what is wrong, and the code of the answer.
  private func faults(_ text: String) throws -> (found: [Fault], code: String?) {
    let faults = Faults()
    let value = try JSONReader.parse(Array(text.utf8).span)
    var object = ObjectDecoder(value, faults: faults)
    _ = object.string("name", length: 1...5)
    _ = object.bool("flag")
    _ = object.int("count", in: 1...10)
    _ = object.time("at")
    _ = object.choice("colour", as: Colour.self)
    _ = object.id("account", of: Account.self)
    _ = object.strings("words", count: 0...2, length: 1...3)
    if var inner = object.object("inner") {
      // What asks once more whether it is there does not tell twice.
      if inner.string("a/b", .required) == nil {
        faults.add(inner.pointer(to: "a/b"), .required, "It is missing.")
      }
      inner.finish()
    }
    object.finish()
    do throws(ServiceError) {
      try faults.check()
      return ([], nil)
    } catch {
      return (
        error.fields.map { Fault(pointer: $0.pointer, code: $0.code) }, error.code.rawValue
      )
    }
  }

  @Test(arguments: [
    "{}", #"{"name":"abc","flag":true,"count":10,"at":"2026-11-22T10:00:00+01:00"}"#,
    #"{"name":null,"colour":"red","words":["a","bcd"],"inner":{"a/b":""}}"#,
  ])
  func `what is right has no faults`(text: String) throws {
    #expect(try faults(text).code == nil)
  }

  @Test(arguments: [
    ("[]", "", "type"), ("1", "", "type"), (#"{"name":1}"#, "/name", "type"),
    (#"{"name":""}"#, "/name", "length"), (#"{"name":"abcdef"}"#, "/name", "length"),
    (#"{"flag":"true"}"#, "/flag", "type"), (#"{"count":0}"#, "/count", "range"),
    (#"{"count":1.5}"#, "/count", "type"), (#"{"at":"yesterday"}"#, "/at", "format"),
    (#"{"colour":"blue"}"#, "/colour", "format"), (#"{"words":"a"}"#, "/words", "type"),
    (#"{"words":["a",1]}"#, "/words/1", "type"), (#"{"words":["a","b","c"]}"#, "/words", "range"),
    (#"{"nope":1}"#, "/nope", "unknown"), (#"{"inner":1}"#, "/inner", "type"),
    (#"{"inner":{}}"#, "/inner/a~1b", "required"),
    (#"{"inner":{"a/b":null}}"#, "/inner/a~1b", "type"),
    (#"{"inner":{"a/b":1}}"#, "/inner/a~1b", "type"),
    (#"{"inner":{"a/b":"","x~y":1}}"#, "/inner/x~0y", "unknown"),
  ])
  func `a fault of shape is 400 with its pointer`(
    text: String,
    pointer: String,
    code: String
  ) throws {
    let result = try faults(text)
    #expect(result.found == [Fault(pointer: pointer, code: code)])
    #expect(result.code == "invalid_request")
  }

  @Test func `an id that names nothing is 422`() throws {
    let result = try faults(#"{"account":"acc_nonsense"}"#)
    #expect(result.found == [Fault(pointer: "/account", code: "not_found")])
    #expect(result.code == "unprocessable")
  }

  @Test func `all faults are told at once, those of shape first`() throws {
    let result = try faults(#"{"account":"x","name":1,"flag":2,"nope":3}"#)
    #expect(result.code == "invalid_request")
    #expect(
      result.found.map(\.pointer) == ["/name", "/flag", "/nope", "/account"]
    )
  }

  @Test func `the number of faults told is bounded`() throws {
    let members = (0..<500).map { "\"m\($0)\":1" }.joined(separator: ",")
    #expect(try faults("{\(members)}").found.count == 50)
  }

  @Test func `a merge patch tells absent, null and a value apart`() throws {
    let value = try JSONReader.parse(Array(#"{"a":null,"b":"x"}"#.utf8).span)
    var object = ObjectDecoder(value, faults: Faults())
    func name(_ change: ObjectDecoder.Change<String>) -> String {
      switch change {
      case .unchanged: "unchanged"
      case .cleared: "cleared"
      case .set(let text): "set \(text)"
      }
    }
    #expect(name(object.change("a") { $0.string("a") }) == "cleared")
    #expect(name(object.change("b") { $0.string("b") }) == "set x")
    #expect(name(object.change("c") { $0.string("c") }) == "unchanged")
  }

  @Test(arguments: [
    ("", "ends too soon"), ("{", "ends too soon"), (#"{"a":1,"a":2}"#, "named twice"),
    ("{} x", "follows"), ("nul", "expected"), (#"{"a":01}"#, "expected"),
  ])
  func `what is no JSON is told with its byte`(text: String, reason: String) throws {
    do throws(ServiceError) {
      _ = try Call.parse(Array(text.utf8))
      Issue.record("parsed")
    } catch {
      #expect(error.code == .jsonMalformed)
      #expect(error.message.contains("at byte"))
      _ = reason
    }
  }
}
