import Bytes
import Testing

@Suite("JSON writer") struct JSONWriterTests {
  private func write(_ body: (inout JSONWriter) -> Void) -> String {
    var writer = JSONWriter(capacity: 0)
    body(&writer)
    return String(decoding: writer.finish(), as: UTF8.self)
  }

  @Test func `commas stand between values and nowhere else`() {
    let text = write { json in
      json.object { json in
        json.key("a")
        json.array { json in
          json.int(1)
          json.object { _ in }
          json.array { _ in }
          json.null()
        }
        json.key(text: "b\"")
        json.bool(false)
        json.key("c")
        json.string(nil)
      }
    }
    #expect(text == #"{"a":[1,{},[],null],"b\"":false,"c":null}"#)
  }

  @Test func `control characters, quotes and backslashes are escaped`() {
    let text = write { $0.string("\u{0}\u{1F}\"\\/\n\r\tä😀\u{7F}") }
    #expect(text == "\"\\u0000\\u001f\\\"\\\\/\\n\\r\\tä😀\u{7F}\"")
  }

  @Test func `integers are written in full`() {
    let text = write { json in
      json.array { json in
        json.int(Int64.min)
        json.int(Int64.max)
        json.int(UInt64.max)
        json.int(UInt8(0))
        json.int(-10)
      }
    }
    #expect(text == "[-9223372036854775808,9223372036854775807,18446744073709551615,0,-10]")
  }

  @Test func `a number that JSON does not have becomes null`() {
    let text = write { json in
      json.array { json in
        json.double(.nan)
        json.double(.infinity)
        json.double(0.1)
      }
    }
    #expect(text == "[null,null,0.1]")
  }

  @Test func `raw JSON and unescaped text are taken as they are`() {
    let text = write { json in
      json.array { json in
        json.raw([UInt8](#"{"x":1}"#.utf8).span)
        json.unescapedString { $0.append("msg_1") }
        json.string(literal: "ok")
      }
    }
    #expect(text == #"[{"x":1},"msg_1","ok"]"#)
  }
}
