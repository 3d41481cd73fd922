import Bytes
import Model
import Testing

@testable import API

@Suite("Cursors") struct CursorTests {
  private let coder = CursorCoder(key: Array("key".utf8))
  private let values: [CursorValue] = [
    .text("1764000000000000"), .int(.max), .int(-1), .text(""), .text("é"),
  ]

  private func code(_ cursor: String, list: String, coder: CursorCoder? = nil) -> ErrorCode? {
    do throws(ServiceError) {
      _ = try (coder ?? self.coder).decode(cursor, list: list)
      return nil
    } catch {
      return error.code
    }
  }

  @Test func `a cursor gives back its values`() throws {
    let cursor = coder.encode(values, list: "l")
    #expect(try coder.decode(cursor, list: "l") == values)
    #expect(
      cursor.utf8.allSatisfy { $0.isASCIIDigit || $0.isASCIILetter || $0 == 0x2D || $0 == 0x5F }
    )
  }

  @Test func `the longest text that a list is sorted by fits into a cursor`() throws {
    let values: [CursorValue] = [
      .text(String(repeating: "😀", count: 250)), .int(.max), .int(.max),
    ]
    let cursor = coder.encode(values, list: "l")
    #expect(cursor.utf8.count <= 4096)
    #expect(try coder.decode(cursor, list: "l") == values)
  }

  @Test func `a cursor of another list is refused`() {
    #expect(code(coder.encode(values, list: "a"), list: "b") == .cursorInvalid)
  }

  @Test func `a cursor of another key is refused`() {
    let other = CursorCoder(key: Array("other".utf8))
    #expect(code(other.encode(values, list: "l"), list: "l") == .cursorInvalid)
  }

  @Test func `a cursor with any byte changed is refused`() {
    let cursor = Array(coder.encode(values, list: "l").utf8)
    for index in cursor.indices {
      var changed = cursor
      changed[index] = changed[index] == 0x41 ? 0x42 : 0x41
      #expect(code(String(decoding: changed, as: UTF8.self), list: "l") == .cursorInvalid)
    }
  }

  @Test func `a cursor cut anywhere is refused`() {
    let cursor = coder.encode(values, list: "l")
    for count in 0..<cursor.count {
      #expect(code(String(cursor.prefix(count)), list: "l") == .cursorInvalid)
    }
  }

  @Test(arguments: ["x", "%", "AAAA", String(repeating: "A", count: 100_000), "é"])
  func `what is no cursor is refused`(cursor: String) {
    #expect(code(cursor, list: "l") == .cursorInvalid)
  }
}
