import Bytes
import MIME

/// Body structures as the API's JSON: the `EmailBodyPart` of RFC 8621 §4.1.4, with the transfer encoding beside.
enum StructureJSON {
  /// The tree.
  static func write(tree part: BodyPart, to json: inout JSONWriter) {
    write(part, isTree: true, to: &json)
  }

  /// A list of leaves.
  static func write(list parts: [BodyPart], to json: inout JSONWriter) {
    json.beginArray()
    for part in parts { write(part, isTree: false, to: &json) }
    json.endArray()
  }

  private static func write(_ part: BodyPart, isTree: Bool, to json: inout JSONWriter) {
    json.beginObject()
    json.key("partId")
    json.string(part.partID)
    json.key("type")
    json.string(part.type.withoutNUL)
    json.key("size")
    json.int(part.size)
    json.key("name")
    json.string(part.name?.withoutNUL)
    json.key("charset")
    json.string(part.charset?.withoutNUL)
    json.key("disposition")
    json.string(part.disposition?.withoutNUL)
    json.key("cid")
    json.string(part.contentID?.withoutNUL)
    if let language = part.language {
      json.key("language")
      json.beginArray()
      for tag in language { json.string(tag.withoutNUL) }
      json.endArray()
    }
    if let location = part.location {
      json.key("location")
      json.string(location.withoutNUL)
    }
    json.key("transferEncoding")
    json.string(part.transferEncoding.name.withoutNUL)
    if isTree, let subParts = part.subParts {
      json.key("subParts")
      json.beginArray()
      for subPart in subParts { write(subPart, isTree: true, to: &json) }
      json.endArray()
    }
    json.endObject()
  }
}
