import Bytes
import MailProtocols
import MIME

/// Addresses as the API's JSON and as the text that filters read.
enum AddressJSON {
  /// `[{"name": …, "email": …}]`; nil for none.
  static func array(_ addresses: [Address]) -> [UInt8]? {
    guard !addresses.isEmpty else { return nil }
    var json = JSONWriter(capacity: addresses.count * 64)
    json.beginArray()
    for address in addresses {
      json.beginObject()
      json.key("name")
      json.string(address.name?.withoutNUL)
      json.key("email")
      json.string(address.email.withoutNUL)
      json.endObject()
    }
    json.endArray()
    return json.finish()
  }

  /// `["…", "…"]`; nil for none.
  static func array(_ texts: [String]) -> [UInt8]? {
    guard !texts.isEmpty else { return nil }
    var json = JSONWriter(capacity: texts.count * 64)
    json.beginArray()
    for text in texts { json.string(text.withoutNUL) }
    json.endArray()
    return json.finish()
  }

  /// `Name <address>, …`, for filters and orders.
  static func text(_ addresses: [Address]) -> String? {
    guard !addresses.isEmpty else { return nil }
    return addresses.map { address in
      guard let name = address.name, !name.isEmpty else { return address.email }
      return "\(name) <\(address.email)>"
    }.joined(separator: ", ").withoutNUL
  }

  /// The addresses of an ENVELOPE, encoded words decoded; the marks of a group are left out.
  static func addresses(_ list: [EnvelopeAddress]) -> [Address] {
    list.compactMap { item in
      guard let mailbox = item.mailbox, let host = item.host else { return nil }
      let local = String(utf8: mailbox.span)
      let domain = String(utf8: host.span)
      return Address(
        name: item.name.map { EncodedWords.decode($0.span) },
        email: domain.isEmpty ? local : "\(local)@\(domain)"
      )
    }
  }
}

extension String {
  /// The text without U+0000, which PostgreSQL does not take.
  var withoutNUL: String {
    utf8.contains(0) ? String(decoding: utf8.filter { $0 != 0 }, as: UTF8.self) : self
  }
}
