/// Writes rows in the binary form of COPY.
///
/// Every column must be written with the very type that the table declares: `Int64` for `bigint`,
/// `Int32` for `integer`, `JSONText` for `jsonb`, `String` for `text` and enums.
/// ```swift
/// writer.beginRow(columns: 2)
/// writer.write(id)
/// writer.write(name)
/// ```
package struct CopyWriter: Sendable {
  /// What was written and not yet sent.
  private(set) var buffer = PostgresBuffer()

  /// How many rows go in one command.
  ///
  /// PostgreSQL keeps a buffer for each of up to 1,000 rows, and enters each in a table where they all hash alike: that
  /// costs as much for 500 rows four times as for 2,000 once, and more for anything between. A command costs two round
  /// trips, in which nothing is stored.
  private static let rowsOfCommand = 2000

  /// Where a command's rows end.
  private var cuts: [Int] = []
  /// The rows since the last cut.
  private var uncut = 0

  /// An empty writer with room for `capacity` bytes before it grows.
  package init(capacity: Int = 0) { buffer.reserve(capacity) }

  /// How many bytes wait to be sent.
  package var count: Int { buffer.count }

  /// Starts a row; exactly `columns` values must follow.
  package mutating func beginRow(columns: Int) {
    if uncut == Self.rowsOfCommand {
      cuts.append(buffer.count)
      uncut = 0
    }
    uncut += 1
    buffer.append(Int16(columns))
  }

  /// Where the rows of each command stand in `buffer`.
  var commands: [Range<Int>] {
    zip([0] + cuts, cuts + [buffer.count]).map { $0..<$1 }
  }

  /// Writes the next value of the row.
  package mutating func write(_ value: some PostgresValue) {
    if value.isNull {
      writeNull()
    } else {
      buffer.appendWithLength { value.encode(into: &$0) }
    }
  }

  /// Writes the next value of the row, or NULL.
  package mutating func write(_ value: [UInt8]?) {
    guard let value else { return writeNull() }
    buffer.append(Int32(value.count))
    buffer.append(value)
  }

  /// Writes the next value of the row, or NULL.
  package mutating func write(_ value: String?) {
    guard let value else { return writeNull() }
    buffer.append(Int32(value.utf8.count))
    buffer.append(value)
  }

  /// Writes NULL as the next value of the row.
  package mutating func writeNull() { buffer.append(Int32(-1)) }

  /// Writes borrowed bytes as the next value of the row: `bytea`, or `text` that is UTF-8.
  package mutating func write(bytes: Span<UInt8>) {
    buffer.append(Int32(bytes.count))
    buffer.append(bytes)
  }

  /// Writes the bytes that `body` appends as the next value: `bytea`, or `text` that is UTF-8.
  package mutating func write(_ body: (inout [UInt8]) -> Void) { buffer.appendWithLength(body) }

  /// Adds the rows, or values, of another writer.
  package mutating func append(_ rows: CopyWriter) { buffer.append(rows.buffer.bytes) }

  /// The signature, no flags, no extension.
  static let header: [UInt8] = [
    0x50, 0x47, 0x43, 0x4F, 0x50, 0x59, 0x0A, 0xFF, 0x0D, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  ]

  /// The row of -1 columns that ends the data.
  static let trailer: [UInt8] = [0xFF, 0xFF]

  mutating func writeHeader() { buffer.append(Self.header) }

  mutating func writeTrailer() { buffer.append(Self.trailer) }

  /// Hands out what was written and starts again in the same memory.
  mutating func drain(_ send: ([UInt8]) -> Bool) -> Bool {
    let isSent = send(buffer.bytes)
    buffer.removeAll()
    (cuts, uncut) = ([], 0)
    return isSent
  }
}
