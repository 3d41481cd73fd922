import Archives
import ArgumentParser
import Bytes
import Foundation
import HTTP
import HTTPTransport
import Net

struct ExportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Writes messages of a running service into an mbox, a Maildir or an rnews batch.",
    discussion: """
      A Maildir is made as a folder, or as a tar archive where the name ends with .tar. Nothing stands under the name before all \
      of it is there.
      """
  )

  @OptionGroup var service: ServiceOptions

  @Option(help: "The account: its id or its address.")
  var account: String

  @Option(help: "The mailbox: its id, its role or its path (default: all).")
  var mailbox: String?

  @Option(help: "A search, as q= of the API takes it.")
  var query: String?

  @Option(help: "mbox, maildir or rnews.")
  var format: String

  @Argument(help: "Where to write; - is standard output.")
  var file: String

  func validate() throws {
    guard ArchiveFormat(rawValue: format).map({ $0 != .mboxo }) ?? false else {
      throw ValidationError("\(format) is no format; one of mbox, maildir, rnews.")
    }
  }

  func run() async throws {
    guard file == "-" || !FileManager.default.fileExists(atPath: file) else {
      throw StartError("\(file) exists already.")
    }
    let group = try EventLoopGroup(loopCount: 1)
    let client = try service.client(group)
    let command = self
    let result = await Task(executorPreference: group.next()) {
      try await ServiceClient.inWords { try await command.run(client) }
    }.result
    await group.shutdown()
    try result.get()
  }

  private func run(_ client: ServiceClient) async throws {
    let account = try await client.account(account)
    var target = "/v1/accounts/\(account)/messages:export?format=\(format)"
    if let mailbox { target += "&mailbox=\(try await client.mailbox(mailbox, of: account))" }
    if let query { target += "&q=\(ServiceClient.escaped(query))" }
    let output = try ArchiveOutput.open(file, isFolder: format == "maildir")
    do {
      let count = try await client.call(.get, target) { answer, connection in
        let progress = Progress(file, of: nil)
        defer { progress.end() }
        while let piece = try await connection.nextBytes() {
          try output.write(piece)
          progress.add(piece.count)
        }
        return answer["restante-message-count"] ?? "?"
      }
      try output.finish()
      if file != "-" { print("\(file): \(count) exported") }
    } catch {
      output.discard()
      throw error
    }
  }
}

/// Where an export goes: first beside its name, and there once it is whole.
private final class ArchiveOutput {
  private let path: String
  private let handle: FileHandle?
  /// Takes a Maildir's files out of the archive.
  private var tar: TarReader?

  private var partialPath: String { path + ".partial" }
  private var isStandardOutput: Bool { path == "-" }

  private init(_ path: String, _ handle: FileHandle?, _ tar: TarReader?) {
    self.path = path
    self.handle = handle
    self.tar = tar
  }

  static func open(_ path: String, isFolder: Bool) throws -> ArchiveOutput {
    if path == "-" { return ArchiveOutput(path, .standardOutput, nil) }
    let partial = path + ".partial"
    if isFolder, !path.hasSuffix(".tar") {
      for folder in ["cur", "new", "tmp"] {
        try FileManager.default.createDirectory(
          atPath: "\(partial)/\(folder)",
          withIntermediateDirectories: true,
          attributes: [.posixPermissions: 0o700]
        )
      }
      return ArchiveOutput(path, nil, TarReader(from: 0, ArchiveLimits.unbounded) { _ in true })
    }
    guard
      FileManager.default.createFile(
        atPath: partial,
        contents: nil,
        attributes: [.posixPermissions: 0o600]
      ), let handle = FileHandle(forWritingAtPath: partial)
    else { throw StartError("\(partial) cannot be written.") }
    return ArchiveOutput(path, handle, nil)
  }

  func write(_ bytes: [UInt8]) throws {
    guard tar != nil else { return try write(handle, bytes) }
    tar?.receive(bytes)
    try unpack()
  }

  private func write(_ handle: FileHandle?, _ bytes: [UInt8]) throws {
    do {
      try handle?.write(contentsOf: Data(bytes))
    } catch {
      throw StartError("\(path) cannot be written: \(error.localizedDescription)")
    }
  }

  private func unpack() throws {
    while let step = tar?.next() {
      switch step {
      case .needsMore, .end: return
      case .defect(let defect): throw StartError("The archive is damaged. \(defect.words)")
      case .file(let file):
        // The names are the service's, but a path must not lead out of the folder.
        guard !file.path.split(separator: "/").contains(".."), !file.path.hasPrefix("/") else {
          throw StartError("The archive holds the path \(file.path).")
        }
        let place = "\(partialPath)/\(file.path)"
        let date = Date(timeIntervalSince1970: Double(file.modifiedAt))
        guard
          FileManager.default.createFile(
            atPath: place,
            contents: Data(file.bytes),
            attributes: [.posixPermissions: 0o600]
          )
        else { throw StartError("\(place) cannot be written.") }
        try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: place)
      }
    }
  }

  /// Puts it under its name.
  func finish() throws {
    tar?.finish()
    if tar != nil { try unpack() }
    guard !isStandardOutput else { return }
    try handle?.synchronize()
    try handle?.close()
    try FileManager.default.moveItem(atPath: partialPath, toPath: path)
  }

  /// Removes what there is of it.
  func discard() {
    guard !isStandardOutput else { return }
    // What cannot be removed is named so that it can be told.
    try? handle?.close()
    try? FileManager.default.removeItem(atPath: partialPath)
  }
}

extension ArchiveLimits {
  /// The service decides how long its messages may be.
  fileprivate static var unbounded: ArchiveLimits {
    var limits = ArchiveLimits()
    limits.messageBytes = 1 << 30
    return limits
  }
}
