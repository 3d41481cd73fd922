import Bytes
import Model
import Store

/// Reads `q` and `filter`, as query parameters or as members of a JSON object; both have to hold.
enum SearchDecoding {
  /// What the parameters `q` and `filter` ask; nil where there are none.
  static func query(_ decoder: inout QueryDecoder) -> SearchQuery? {
    let faults = decoder.faults
    let text = decoder.string("q", length: 1...SearchLimits().bytes)
    let filter = decoder.string("filter", length: 1...8192)
    var parts: [SearchQuery] = []
    if let text, let query = parse(text, at: "?q", faults) { parts.append(query) }
    if let filter {
      let bytes = Array(filter.utf8)
      do throws(JSONError) {
        let value = try JSONReader.parse(bytes.span)
        if let query = parse(value, at: "?filter", faults) { parts.append(query) }
      } catch {
        faults.add("?filter", .format, "It is not JSON. \(error.words).")
      }
    }
    return both(parts)
  }

  /// What the members `q` and `filter` ask; nil where there are none.
  static func query(_ object: inout ObjectDecoder) -> SearchQuery? {
    let faults = object.faults
    var parts: [SearchQuery] = []
    if let text = object.string("q", length: 1...SearchLimits().bytes),
      let query = parse(text, at: object.pointer(to: "q"), faults)
    {
      parts.append(query)
    }
    if let value = object.value("filter"),
      let query = parse(value, at: object.pointer(to: "filter"), faults)
    {
      parts.append(query)
    }
    return both(parts)
  }

  private static func both(_ parts: [SearchQuery]) -> SearchQuery? {
    parts.count > 1 ? .and(parts) : parts.first
  }

  private static func parse(_ text: String, at pointer: String, _ faults: Faults) -> SearchQuery? {
    do throws(SearchSyntaxError) {
      return bounded(try SearchParser.parse(text), at: pointer, faults)
    } catch {
      faults.add(pointer, .format, "At byte \(error.place): \(error.reason)")
      return nil
    }
  }

  private static func parse(
    _ filter: JSONValue,
    at pointer: String,
    _ faults: Faults
  ) -> SearchQuery? {
    let storable = StorableJSON(filter)
    for place in storable.pointers {
      let fault = told(StorableJSON.detail, at: place, of: pointer)
      faults.addValue(fault.pointer, .forbiddenCharacter, fault.detail)
    }
    do throws(SearchSyntaxError) {
      return bounded(try SearchQuery.parse(filter: storable.value), at: pointer, faults)
    } catch {
      // What is wrong with the letter that stands for U+0000 is nothing to tell; its type is.
      if storable.pointers.contains(error.place), !error.isOfType { return nil }
      let code: FaultCode =
        isParameter(pointer)
        ? .format : error.isUnknown ? .unknown : error.isOfType ? .type : .format
      let fault = told(error.reason, at: error.place, of: pointer)
      faults.add(fault.pointer, code, fault.detail)
      return nil
    }
  }

  private static func isParameter(_ pointer: String) -> Bool { pointer.hasPrefix("?") }

  /// How a fault within a filter is told: a parameter is named alone, and the place stands in the text.
  private static func told(
    _ reason: String,
    at place: String,
    of pointer: String
  ) -> (pointer: String, detail: String) {
    guard isParameter(pointer) else { return (pointer + place, reason) }
    return (pointer, place.isEmpty ? reason : "At \(place): \(reason)")
  }

  private static func bounded(
    _ query: SearchQuery,
    at pointer: String,
    _ faults: Faults
  ) -> SearchQuery? {
    let limit = SearchLimits().serverTerms
    if query.termsOfServers.count > limit {
      faults.addValue(pointer, .range, "At most \(limit) terms that a server has to be asked for.")
    }
    return query
  }
}
