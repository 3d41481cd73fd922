/// A type of PostgreSQL by its object id, as `pg_type` lists it.
package struct PostgresType: RawRepresentable, Hashable, Sendable {
  /// The object id.
  package let rawValue: UInt32

  /// The type with this object id.
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Left to the server, which infers it from the place the value stands in.
  package static let inferred = PostgresType(rawValue: 0)
  /// `boolean`.
  package static let bool = PostgresType(rawValue: 16)
  /// `bytea`.
  package static let bytea = PostgresType(rawValue: 17)
  /// `"char"`, a single byte.
  package static let char = PostgresType(rawValue: 18)
  /// `name`.
  package static let name = PostgresType(rawValue: 19)
  /// `bigint`.
  package static let int8 = PostgresType(rawValue: 20)
  /// `smallint`.
  package static let int2 = PostgresType(rawValue: 21)
  /// `integer`.
  package static let int4 = PostgresType(rawValue: 23)
  /// `text`.
  package static let text = PostgresType(rawValue: 25)
  /// `oid`.
  package static let oid = PostgresType(rawValue: 26)
  /// `json`.
  package static let json = PostgresType(rawValue: 114)
  /// `xml`.
  package static let xml = PostgresType(rawValue: 142)
  /// `real`.
  package static let float4 = PostgresType(rawValue: 700)
  /// `double precision`.
  package static let float8 = PostgresType(rawValue: 701)
  /// `unknown`, the type of a bare literal.
  package static let unknown = PostgresType(rawValue: 705)
  /// `character(n)`.
  package static let bpchar = PostgresType(rawValue: 1042)
  /// `character varying`.
  package static let varchar = PostgresType(rawValue: 1043)
  /// `timestamp without time zone`.
  package static let timestamp = PostgresType(rawValue: 1114)
  /// `timestamp with time zone`.
  package static let timestamptz = PostgresType(rawValue: 1184)
  /// `xid8`, what `pg_current_xact_id()` returns.
  package static let xid8 = PostgresType(rawValue: 5069)
  /// `jsonb`.
  package static let jsonb = PostgresType(rawValue: 3802)

  /// `boolean[]`.
  package static let boolArray = PostgresType(rawValue: 1000)
  /// `bytea[]`.
  package static let byteaArray = PostgresType(rawValue: 1001)
  /// `smallint[]`.
  package static let int2Array = PostgresType(rawValue: 1005)
  /// `integer[]`.
  package static let int4Array = PostgresType(rawValue: 1007)
  /// `text[]`.
  package static let textArray = PostgresType(rawValue: 1009)
  /// `character varying[]`.
  package static let varcharArray = PostgresType(rawValue: 1015)
  /// `bigint[]`.
  package static let int8Array = PostgresType(rawValue: 1016)
  /// `double precision[]`.
  package static let float8Array = PostgresType(rawValue: 1022)
  /// `timestamp with time zone[]`.
  package static let timestamptzArray = PostgresType(rawValue: 1185)
  /// `jsonb[]`.
  package static let jsonbArray = PostgresType(rawValue: 3807)

  /// Object ids below this one belong to PostgreSQL itself; enums and domains of a schema stand above.
  static let firstUserDefined: UInt32 = 16384

  /// Whether the binary form of a value is its text, as UTF-8.
  var isTextual: Bool {
    switch self {
    case .text, .varchar, .bpchar, .name, .char, .json, .xml, .unknown: true
    default: rawValue >= Self.firstUserDefined
    }
  }
}
