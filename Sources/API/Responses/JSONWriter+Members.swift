import Bytes
import Model

extension JSONWriter {
  /// The member `name` as `body` writes it, if it is selected.
  mutating func member(
    _ name: StaticString,
    _ fields: FieldSelection = .all,
    _ body: (inout JSONWriter) -> Void
  ) {
    guard fields.contains(name) else { return }
    key(name)
    body(&self)
  }

  /// An id.
  mutating func id<Noun: Identified>(_ id: ID<Noun>) {
    unescapedString { $0.append(id: id) }
  }

  /// An id, or null.
  mutating func id<Noun: Identified>(_ id: ID<Noun>?) {
    if let id { self.id(id) } else { null() }
  }

  /// An instant.
  mutating func time(_ time: Timestamp) {
    unescapedString { $0.append(rfc3339: time) }
  }

  /// An instant, or null.
  mutating func time(_ time: Timestamp?) {
    if let time { self.time(time) } else { null() }
  }

  /// An integer, or null.
  mutating func int(_ number: Int64?) {
    if let number { int(number) } else { null() }
  }

  /// An array of strings.
  mutating func strings(_ texts: some Sequence<String>) {
    beginArray()
    for text in texts { string(text) }
    endArray()
  }

  /// JSON text that is one whole value already, or null where there is none.
  mutating func rawOrNull(_ json: Span<UInt8>) {
    if json.isEmpty { null() } else { raw(json) }
  }
}
