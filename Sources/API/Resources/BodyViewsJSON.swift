import Bytes
import MIME
import Store

/// The parts to show of a message (RFC 8621 §4.1.4), computed from the structure that the row holds.
enum BodyViewsJSON {
  static func write(_ row: MessageRow, _ members: MessageMembers, to json: inout JSONWriter) {
    guard members.contains(.textBody) || members.contains(.htmlBody) else { return }
    let views = views(of: row)
    if members.contains(.textBody) {
      json.key("textBody")
      write(views?.textBody ?? [], to: &json)
    }
    if members.contains(.htmlBody) {
      json.key("htmlBody")
      write(views?.htmlBody ?? [], to: &json)
    }
  }

  private static func views(of row: MessageRow) -> BodyViews? {
    guard !row.bodyStructure.isEmpty else { return nil }
    do throws(JSONError) {
      return part(try JSONReader.parse(row.bodyStructure), depth: 0).map { BodyViews(of: $0) }
    } catch {
      return nil  // We wrote it ourselves; a message whose structure is not known has no views.
    }
  }

  /// The part that `value` describes, under the names of RFC 8621.
  static func part(_ value: JSONValue, depth: Int) -> BodyPart? {
    guard depth < 100, let type = value["type"]?.stringValue else { return nil }
    var part = BodyPart(partID: value["partId"]?.stringValue, type: type)
    part.size = Int(clamping: value["size"]?.intValue ?? 0)
    part.name = value["name"]?.stringValue
    part.charset = value["charset"]?.stringValue
    part.disposition = value["disposition"]?.stringValue
    part.contentID = value["cid"]?.stringValue
    part.language = value["language"]?.arrayValue?.compactMap(\.stringValue)
    part.location = value["location"]?.stringValue
    part.subParts = value["subParts"]?.arrayValue?.compactMap { self.part($0, depth: depth + 1) }
    return part
  }

  private static func write(_ parts: [BodyPart], to json: inout JSONWriter) {
    json.beginArray()
    for part in parts {
      json.object { json in
        json.member("partId") { $0.string(part.partID) }
        json.member("blobId") { $0.null() }
        json.member("size") { $0.int(part.size) }
        json.member("name") { $0.string(part.name) }
        json.member("type") { $0.string(part.type) }
        json.member("charset") { $0.string(part.charset) }
        json.member("disposition") { $0.string(part.disposition) }
        json.member("cid") { $0.string(part.contentID) }
        json.member("language") { json in
          if let language = part.language { json.strings(language) } else { json.null() }
        }
        json.member("location") { $0.string(part.location) }
      }
    }
    json.endArray()
  }
}
