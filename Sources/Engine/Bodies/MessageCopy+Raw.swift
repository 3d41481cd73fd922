import Bytes
import MIME
import Model
import Store

extension MessageCopy {
  /// What is kept of a message that a server handed out.
  init(
    of message: ID<Message>,
    raw: [UInt8],
    by compressors: Compressors
  ) throws(ServiceError) {
    let parsed = MessageParser.parse(raw)
    let structure = parsed.bodyStructure
    let views = BodyViews(of: structure)
    self.init(
      of: message,
      try RawBlob(raw, leaves: structure.leaves.compactMap(\.range), by: compressors),
      hasAttachment: views.hasAttachment,
      attachments: views.attachments.isEmpty
        ? nil : Self.json { StructureJSON.write(list: views.attachments, to: &$0) },
      bodyStructure: Self.json { StructureJSON.write(tree: structure, to: &$0) },
      textBody: Self.ids(of: views.textBody),
      htmlBody: Self.ids(of: views.htmlBody),
      preview: parsed.preview(of: views).withoutNUL
    )
  }

  private static func json(_ body: (inout JSONWriter) -> Void) -> String {
    var json = JSONWriter()
    body(&json)
    return String(decoding: json.finish(), as: UTF8.self)
  }

  /// The ids of parts, with commas between.
  private static func ids(of parts: [BodyPart]) -> String? {
    parts.isEmpty ? nil : parts.map { $0.partID ?? "" }.joined(separator: ",")
  }
}
