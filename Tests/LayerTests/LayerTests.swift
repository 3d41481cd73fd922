import Bytes
import TestSupport
import Testing

/// The layers of `docs/architecture.md`, kept: what the package declares and what its files import.
@Suite("Layers") struct LayerTests {
  private static let product: Set = ["Logging"]

  /// What each target may depend on and import, of this package and of others.
  static let allowed: [String: Set<String>] = [
    "AllocationCounter": [], "CLinux": [], "CIconv": [], "CGSASL": [], "CZlib": [], "CZstd": [],
    "COpenSSL": [],
    "CPCRE2": [], "CPostgres": [], "CKerberos": [], "CXML": [],
    "Bytes": ["CZlib", "CZstd"],
    "Crypto": ["Bytes", "COpenSSL"],
    "HTTP": ["Bytes"],
    "MIME": ["Bytes", "CIconv"],
    "Archives": ["Bytes", "MIME"],
    "Sieve": ["Bytes", "MIME", "CPCRE2"],
    "MailProtocols": ["Bytes", "Crypto", "CGSASL"],
    "Net": ["Bytes", "CLinux", "COpenSSL"],
    "Postgres": ["CPostgres", "Net", "Bytes"],
    "HTTPTransport": ["HTTP", "Net", "Bytes"],
    "MailTransport": ["MailProtocols", "Net", "Bytes", "CKerberos"],
    "Model": ["Bytes", "MIME"],
    "Rules": ["Model", "Sieve", "MIME", "Bytes", "CXML"],
    "Store": ["Model", "Postgres", "Crypto", "Bytes"],
    "Engine": product.union([
      "Model", "Rules", "Store", "Sieve", "MIME", "Archives", "MailProtocols", "MailTransport",
      "HTTP", "HTTPTransport", "Net", "Crypto", "Bytes",
    ]),
    "API": product.union([
      "Model", "Rules", "Store", "Engine", "HTTP", "HTTPTransport", "Net", "MIME", "Archives",
      "Crypto",
      "Bytes",
    ]),
  ]

  /// Modules of the system that any target may import.
  static let system: Set = ["FoundationEssentials", "Glibc", "Synchronization"]

  /// The targets that may import the whole of Foundation: socket calls come from it, and `restante`
  /// is where everything meets.
  static let foundation: Set = ["Net", "restante"]

  /// The targets that see all others: the one that wires them, and tests.
  static let unbounded: Set = ["restante", "TestSupport", "backends", "sieveruns"]

  @Test func `the package declares no dependency that its layer does not allow`() async throws {
    let scratch = try TemporaryDirectory("manifest")
    // A scratch folder of its own: the package's is locked while its tests run.
    let text = try await Command.run([
      "swift", "package", "--package-path", RepositoryRoot.path, "--scratch-path",
      scratch.file("build"), "dump-package",
    ])
    let start = try #require(text.firstIndex(of: "{"))
    let json = [UInt8](text[start...].utf8)
    let manifest = try JSONReader.parse(json.span)
    let targets = try #require(manifest["targets"]?.arrayValue)
    #expect(targets.count > 20)
    for target in targets {
      let name = try #require(target["name"]?.stringValue)
      let isTest = target["type"]?.stringValue == "test"
      guard !isTest, !Self.unbounded.contains(name) else { continue }
      let allowed = try #require(Self.allowed[name], "\(name) has no row in the table of layers")
      for dependency in target["dependencies"]?.arrayValue ?? [] {
        let kinds = ["byName", "target", "product"].compactMap { dependency[$0]?.arrayValue }
        let found = try #require(kinds.first?.first?.stringValue)
        #expect(allowed.contains(found), "\(name) must not depend on \(found)")
      }
    }
  }

  @Test func `no file imports what its layer does not allow`() throws {
    for file in try SourceFile.all("Sources") where !Self.unbounded.contains(file.target) {
      let allowed = try #require(Self.allowed[file.target], "\(file.target) has no row")
      for (index, line) in file.code.enumerated() {
        guard let module = Self.importedModule(line) else { continue }
        let isAllowed =
          allowed.contains(module) || Self.system.contains(module)
          || (module == "Foundation" && Self.foundation.contains(file.target))
        #expect(isAllowed, "\(file.place(index)): \(file.target) must not import \(module)")
      }
    }
  }

  /// The module that a line imports: `package import struct Net.CIDR` → `Net`.
  static func importedModule(_ line: String) -> String? {
    var words = line.split(separator: " ").drop { $0.hasPrefix("@") || Self.access.contains($0) }
    guard words.popFirst() == "import" else { return nil }
    if let kind = words.first, Self.kinds.contains(kind) { words.removeFirst() }
    return words.first?.split(separator: ".").first.map(String.init)
  }

  private static let access: Set<Substring> = [
    "public", "package", "internal", "fileprivate", "private",
  ]
  private static let kinds: Set<Substring> = [
    "struct", "class", "enum", "protocol", "func", "var", "let", "typealias",
  ]

  @Test(arguments: [
    ("import Bytes", "Bytes"), ("package import Net", "Net"),
    ("@testable import Crypto", "Crypto"), ("import struct Net.CIDR", "Net"),
  ])
  func `an import line is recognised`(_ line: String, _ module: String) {
    #expect(Self.importedModule(line) == module)
  }

  @Test(arguments: ["let important = 1", "// import Net", "", "func `import`() {}"])
  func `other lines are no imports`(_ line: String) {
    let file = SourceFile(path: "Sources/X/Y.swift", lines: [line])
    #expect(Self.importedModule(file.code[0]) == nil)
  }
}
