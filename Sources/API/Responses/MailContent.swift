import Bytes
import Engine
import HTTP
import HTTPTransport
import Model
import Synchronization

/// Sends what mail brought: never in a way that lets it run, read or sniff anything.
enum MailContent {
  /// The answer that streams `source`, or the part of it that `Range` asks for.
  static func response(
    _ source: BodySource,
    to call: Call
  ) async throws(ServiceError) -> HTTPResponse {
    let tag = ETag(sanitized(tag: source.etag))
    let conditions = try call.preconditions()
    try conditions.requireMatch(tag)
    if conditions.isNotModified(tag) { return .notModified(tag) }
    var fields = header(source, tag: tag)
    fields.append("Accept-Ranges", constant: "bytes")
    guard let length = try await length(source, call) else {
      return HTTPResponse(status: .ok, fields: fields, body: stream(source, nil, length: nil, call))
    }
    switch ByteRange(call.request.fields, length: length, tag: tag) {
    case .whole:
      return HTTPResponse(
        status: .ok,
        fields: fields,
        body: stream(source, nil, length: length, call)
      )
    case .part(let range):
      fields.append(
        "Content-Range",
        "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(length)"
      )
      return HTTPResponse(
        status: .partialContent,
        fields: fields,
        body: stream(source, range, length: range.count, call)
      )
    case .unsatisfiable:
      let error = ServiceError(.rangeNotSatisfiable, "The body has \(length) bytes.")
      var answer = Problem(error: error, instance: call.request.path, requestID: call.requestID)
        .response()
      answer.fields.append("Content-Range", "bytes */\(length)")  // RFC 9110 §15.5.17
      return answer
    }
  }

  /// How long the body is.
  ///
  /// Where only reading it tells, it is read once for a range, which needs to know.
  private static func length(
    _ source: BodySource,
    _ call: Call
  ) async throws(ServiceError) -> Int? {
    if let length = source.length { return length }
    guard call.request.fields.contains("range") else { return nil }
    let count = Mutex(0)
    do {
      try await source.stream { chunk in count.withLock { $0 += chunk.count } }
    } catch let error as ServiceError {
      throw error
    } catch {
      throw ServiceError(.internalError, "An internal error occurred.", cause: "\(error)")
    }
    return count.withLock { $0 }
  }

  /// A body from `source`.
  ///
  /// One that fails before its first byte becomes a problem.
  private static func stream(
    _ source: BodySource,
    _ range: Range<Int>?,
    length: Int?,
    _ call: Call
  ) -> HTTPResponseBody {
    let path = call.request.path
    let id = call.requestID
    return .stream(length: length) { writer in
      do {
        try await source.stream(range: range) { chunk in try await writer.write(chunk) }
      } catch let error as ServiceError {
        let problem = Problem(error: error, instance: path, requestID: id)
        throw HTTPResponseReplacement(problem.response().identified(by: id))
      }
    }
  }

  private static func header(_ source: BodySource, tag: ETag) -> HTTPFields {
    let type = contentType(source.contentType, charset: source.charset)
    var fields = HTTPFields()
    fields.append("Content-Type", type.field)
    fields.append(
      "Content-Disposition",
      disposition(isInline: isHarmless(type.media), filename: source.filename)
    )
    fields.append("Content-Security-Policy", constant: "sandbox; default-src 'none'")
    fields.append("Cross-Origin-Resource-Policy", constant: "same-origin")
    fields.append("Cache-Control", constant: "private, no-cache")
    fields.append("ETag", tag.field)
    return fields
  }

  /// Whether a browser may show it in place: images that hold no script, and plain text.
  static func isHarmless(_ type: MediaType) -> Bool {
    if type.type == "image" { return !type.subtype.hasPrefix("svg") }
    return type == MediaType(type: "text", subtype: "plain")
  }

  /// The type that the message claims, if it is one; bytes otherwise.
  static func contentType(
    _ claimed: String,
    charset: String?
  ) -> (media: MediaType, field: String) {
    let bytes = Array(claimed.utf8)
    let media =
      MediaType(contentType: bytes.span)
      ?? MediaType(type: "application", subtype: "octet-stream")
    var field = "\(media.type)/\(media.subtype)"
    if media.type == "text", let charset, !charset.isEmpty,
      charset.utf8.allSatisfy({ $0.isASCIIDigit || $0.isASCIILetter || "-_.:+".utf8.contains($0) })
    {
      field += "; charset=\(charset)"
    }
    return (media, field)
  }

  /// `Content-Disposition` (RFC 6266): the name in ASCII for old readers, and in UTF-8.
  static func disposition(isInline: Bool, filename: String?) -> String {
    let kind = isInline ? "inline" : "attachment"
    guard let filename else { return kind }
    // A name is one name: no path, no control character.
    let name = String(
      String.UnicodeScalarView(
        filename.unicodeScalars.map { scalar in
          scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || scalar == "/"
            || scalar == "\\" ? "_" : scalar
        }.prefix(255)
      )
    )
    guard !name.isEmpty else { return kind }
    let ascii = String(
      String.UnicodeScalarView(
        name.unicodeScalars.map { $0.isASCII && $0 != "\"" && $0 != "%" ? $0 : "_" }
      )
    )
    let plain = "\(kind); filename=\"\(ascii)\""
    if ascii == name { return plain }
    let encoded = String(
      decoding: PercentCoding.encode(Array(name.utf8).span),
      as: UTF8.self
    )
    return "\(plain); filename*=UTF-8''\(encoded)"
  }

  /// A tag may hold no quote and no control character.
  private static func sanitized(tag: String) -> String {
    tag.filter { $0.isASCII && $0 > " " && $0 != "\"" && $0 != "\u{7F}" }
  }
}
