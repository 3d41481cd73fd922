extension CopyWriter {
  /// The rows as statements, one each, for where they are too few for a COPY and its round trips.
  ///
  /// `types` are those of the columns, all of which have a binary form of their own.
  package func inserts(into table: String, types: [(column: String, type: PostgresType)]) -> [SQL] {
    let columns = types.map(\.column).joined(separator: ", ")
    let places = (1...max(types.count, 1)).map { "$\($0)" }.joined(separator: ", ")
    let text = "insert into \(table) (\(columns)) values (\(places))"
    var statements: [SQL] = []
    var offset = 0
    let bytes = buffer.bytes
    while offset < bytes.count {
      offset += 2  // The number of columns.
      var sql = SQL(unsafeSQL: text)
      for (_, type) in types {
        let length = Int(Int32(bigEndianIn: bytes.span, at: offset))
        offset += 4
        guard length >= 0 else {
          sql.bind(encoded: nil, type)
          continue
        }
        sql.bind(encoded: bytes.span.extracting(offset..<offset + length), type)
        offset += length
      }
      statements.append(sql)
    }
    return statements
  }
}

extension SQL {
  /// Binds a value in its binary form to a placeholder that stands in the text already.
  fileprivate mutating func bind(encoded value: Span<UInt8>?, _ type: PostgresType) {
    bindings.append(encoded: value, type)
  }
}

extension SQL.Bindings {
  fileprivate mutating func append(encoded value: Span<UInt8>?, _ type: PostgresType) {
    let offset = buffer.count
    if let value { buffer.append(value) }
    entries.append(Entry(type: type, isBinary: true, offset: offset, length: value?.count))
  }
}

extension Int32 {
  fileprivate init(bigEndianIn bytes: Span<UInt8>, at offset: Int) {
    var value: UInt32 = 0
    for index in offset..<offset + 4 { value = value << 8 | UInt32(bytes[index]) }
    self.init(bitPattern: value)
  }
}
