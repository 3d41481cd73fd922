// swift-tools-version: 6.2
import PackageDescription

/// The settings of every Swift target: language mode 6, the upcoming features that change how code
/// reads, strict memory safety, and warnings as errors.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableUpcomingFeature("InferIsolatedConformances"),
  .enableUpcomingFeature("ImmutableWeakCaptures"),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
]

/// Only for the targets that hand out borrowed `Span`s of what they own.
let borrowing: [SwiftSetting] = strict + [.enableExperimentalFeature("Lifetimes")]

/// What keeps the process small: relocations packed, of which two megabytes were read at the start (that needs glibc 2.36),
/// and no symbols exported to libraries that it might load, with the code that only they name.
let leanLinking: [LinkerSetting] = [
  .unsafeFlags([
    "-use-ld=lld", "-Xlinker", "-z", "-Xlinker", "pack-relative-relocs", "-Xlinker",
    "--no-export-dynamic",
  ])
]

let package = Package(
  name: "restante",
  products: [
    .executable(name: "restante", targets: ["restante"]),
    // Preloaded by `make bench` to count allocations.
    .library(name: "AllocationCounter", type: .dynamic, targets: ["AllocationCounter"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
  ],
  targets: [
    // C libraries, a module each.
    .target(name: "CLinux"),
    .systemLibrary(name: "CIconv"),
    .systemLibrary(name: "CGSASL", pkgConfig: "libgsasl", providers: [.apt(["libgsasl-dev"])]),
    // Without pkg-config: Debian's file names a folder in a way that SwiftPM warns of.
    .systemLibrary(name: "CKerberos", providers: [.apt(["libkrb5-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),
    .systemLibrary(name: "CXML", pkgConfig: "expat", providers: [.apt(["libexpat1-dev"])]),
    .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),

    // Pure targets: bytes in, values or events out; no I/O, no clock.
    .target(name: "Bytes", dependencies: ["CZlib", "CZstd"], swiftSettings: borrowing),
    .target(name: "Crypto", dependencies: ["Bytes", "COpenSSL"], swiftSettings: strict),
    .target(name: "HTTP", dependencies: ["Bytes"], swiftSettings: strict),
    .target(name: "MIME", dependencies: ["Bytes", "CIconv"], swiftSettings: strict),
    .target(name: "Archives", dependencies: ["Bytes", "MIME"], swiftSettings: strict),
    .target(name: "Sieve", dependencies: ["Bytes", "MIME", "CPCRE2"], swiftSettings: strict),
    .target(
      name: "MailProtocols",
      dependencies: ["Bytes", "Crypto", "CGSASL"],
      swiftSettings: strict
    ),

    // I/O.
    .target(name: "Net", dependencies: ["Bytes", "CLinux", "COpenSSL"], swiftSettings: strict),
    .target(
      name: "Postgres",
      dependencies: ["CPostgres", "Net", "Bytes"],
      swiftSettings: borrowing
    ),
    .target(
      name: "HTTPTransport",
      dependencies: ["HTTP", "Net", "Bytes"],
      swiftSettings: strict
    ),
    .target(
      name: "MailTransport",
      dependencies: ["MailProtocols", "Net", "Bytes", "CKerberos"],
      swiftSettings: strict
    ),

    // The product.
    .target(name: "Model", dependencies: ["Bytes", "MIME"], swiftSettings: strict),
    .target(
      name: "Rules",
      dependencies: ["Model", "Sieve", "MIME", "Bytes", "CXML"],
      swiftSettings: strict
    ),
    .target(
      name: "Store",
      dependencies: ["Model", "Postgres", "Crypto", "Bytes"],
      resources: [.embedInCode("Migrations")],
      swiftSettings: borrowing
    ),
    .target(
      name: "Engine",
      dependencies: [
        "Model", "Rules", "Store", "Sieve", "MIME", "Archives", "MailProtocols", "MailTransport",
        "Net", "Crypto", "Bytes",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict
    ),
    .target(
      name: "API",
      dependencies: [
        "Model", "Rules", "Store", "Engine", "HTTP", "HTTPTransport", "Net", "MIME", "Archives",
        "Crypto",
        "Bytes",
        .product(name: "Logging", package: "swift-log"),
      ],
      resources: [.embedInCode("openapi.yaml")],
      swiftSettings: strict
    ),
    .executableTarget(
      name: "restante",
      dependencies: [
        "API", "Engine", "Store", "Model", "Postgres", "HTTPTransport", "HTTP", "MailTransport",
        "MailProtocols", "Net", "Sieve", "MIME", "Archives", "Crypto", "Bytes",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict,
      linkerSettings: leanLinking
    ),

    // The tests' mail servers as a program, for `make demo`, `bench` and `soak`.
    .executableTarget(
      name: "backends",
      dependencies: ["TestSupport"],
      path: "Benchmarks/Backends",
      swiftSettings: strict
    ),

    // What `make bench` measures of scripts.
    .executableTarget(
      name: "sieveruns",
      dependencies: ["Sieve", "MIME"],
      path: "Benchmarks/SieveRuns",
      swiftSettings: strict
    ),

    .target(name: "AllocationCounter", path: "Benchmarks/AllocationCounter"),

    // Tests.
    .target(
      name: "TestSupport",
      dependencies: [
        "API", "Engine", "Store", "Model", "Postgres", "HTTPTransport", "HTTP", "MailTransport",
        "MailProtocols", "Net", "MIME", "Archives", "Crypto", "Bytes", "CKerberos",
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Tests/TestSupport",
      swiftSettings: strict
    ),
    .testTarget(
      name: "SieveTests",
      dependencies: ["Sieve", "MIME", "Bytes", "TestSupport"],
      swiftSettings: strict
    ),
    .testTarget(
      name: "RulesTests",
      dependencies: ["Rules", "Model", "Sieve", "MIME", "Bytes", "TestSupport"],
      swiftSettings: strict
    ),
    .testTarget(name: "LayerTests", dependencies: ["Bytes", "TestSupport"], swiftSettings: strict),
    .testTarget(
      name: "TestSupportTests",
      dependencies: ["TestSupport", "Net"],
      swiftSettings: strict
    ),
  ]
    + [
      "Bytes", "Crypto", "HTTP", "MIME", "Archives", "MailProtocols", "Net", "Postgres",
      "HTTPTransport",
      "MailTransport", "Model", "Store", "Engine", "API",
    ].map { name in
      .testTarget(
        name: "\(name)Tests",
        dependencies: [.target(name: name), "TestSupport"],
        swiftSettings: strict
      )
    }
    + [
      .testTarget(
        name: "CommandTests",
        dependencies: ["Bytes", "TestSupport"],
        swiftSettings: strict
      )
    ]
)
