import Archives
import ArgumentParser
import Bytes
import Foundation
import HTTP
import Net

struct ImportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Imports mbox files, Maildirs or rnews batches by a running service.",
    discussion: """
      Prints what became of each. Where the connection breaks, it goes on from where the service has come; no message is \
      stored twice. What is wrong in an archive is printed with its byte and stops nothing.
      """
  )

  @OptionGroup var service: ServiceOptions

  @Option(help: "The account: its id or its address.")
  var account: String

  @Option(help: "The mailbox: its id, its role or its path.")
  var mailbox = "inbox"

  @Option(help: "mbox, mboxo, maildir (a folder or a tar archive) or rnews.")
  var format: String

  @Flag(help: "Leaves out messages that the mailbox has already, byte for byte.")
  var skipDuplicates = false

  @Argument(help: "The archives; - is standard input.")
  var files: [String]

  func validate() throws {
    guard ArchiveFormat(rawValue: format) != nil else {
      throw ValidationError("\(format) is no format; one of mbox, mboxo, maildir, rnews.")
    }
    guard !files.isEmpty else { throw ValidationError("Name at least one file.") }
  }

  func run() async throws {
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
    guard let format = ArchiveFormat(rawValue: format) else { return }
    let account = try await client.account(account)
    let mailbox = try await client.mailbox(mailbox, of: account)
    for file in files {
      var source = try ArchiveSources.open(file, format)
      let request = JSONValue.object([
        .init(name: "format", value: .string(format.rawValue)),
        .init(name: "mailbox", value: .string(mailbox)),
        .init(name: "skipDuplicates", value: .bool(skipDuplicates)),
      ])
      let job = try await client.json(.post, "/v1/accounts/\(account)/imports", request)
      guard let id = job["id"]?.stringValue else {
        throw StartError("The service answered without a job.")
      }
      do {
        let done = try await send(&source, file, to: id, of: account, client)
        try report(done, file)
      } catch let refusal as ServiceClient.Refusal {
        try await reportStored(file, by: id, client)
        throw refusal
      }
    }
  }

  /// Tells how much of an archive is stored of which the rest is refused.
  private func reportStored(_ file: String, by job: String, _ client: ServiceClient) async throws {
    var failures = 0
    let stored = try await status(of: job, client, &failures)["done"]?.intValue ?? 0
    if stored > 0 { print("\(file): \(stored) imported, and the rest refused") }
  }

  /// How often a broken connection is made anew without any progress.
  private static let tries = 5

  private func send(
    _ source: inout any ArchiveSource,
    _ file: String,
    to job: String,
    of account: String,
    _ client: ServiceClient
  ) async throws -> JSONValue {
    var position: Int64 = 0
    var failures = 0
    while true {
      do {
        return try await upload(&source, file, from: position, to: job, of: account, client)
      } catch let error as ServiceClient.Interruption where source.isRepeatable {
        try await wait(&failures, or: error)
      } catch let error as ServiceClient.Refusal where error.isRetryable && source.isRepeatable {
        try await wait(&failures, or: error)
      }
      // The service may have done all of it, with only its answer lost.
      let known = try await status(of: job, client, &failures)
      if known["state"]?.stringValue == "done" { return known }
      let reached = known["position"]?.intValue ?? 0
      if reached > position { failures = 0 }
      position = reached
    }
  }

  /// What the service says of the job, once it can be asked again.
  private func status(
    of job: String,
    _ client: ServiceClient,
    _ failures: inout Int
  ) async throws -> JSONValue {
    while true {
      do {
        return try await client.json(.get, "/v1/jobs/\(job)")
      } catch let error as ServiceClient.Interruption {
        try await wait(&failures, or: error)
      } catch let error as ServiceClient.Refusal where error.isRetryable {
        try await wait(&failures, or: error)
      }
    }
  }

  private func wait(_ failures: inout Int, or error: any Error) async throws {
    failures += 1
    guard failures < Self.tries else { throw error }
    try await Task.sleep(for: .seconds(1 << failures))
  }

  private func upload(
    _ source: inout any ArchiveSource,
    _ file: String,
    from position: Int64,
    to job: String,
    of account: String,
    _ client: ServiceClient
  ) async throws -> JSONValue {
    try source.seek(to: position)
    let progress = Progress(file, from: position, of: source.size)
    defer { progress.end() }
    let target = "/v1/accounts/\(account)/imports/\(job):upload?offset=\(position)"
    // The source is handed over for the time of the call, and back after it.
    var reading = source
    defer { source = reading }
    return try await client.json(.post, target) {
      let piece = try reading.next()
      progress.add(piece?.count ?? 0)
      return piece
    }
  }

  /// Tells what became of an archive; one of which nothing could be read fails.
  private func report(_ job: JSONValue, _ file: String) throws {
    let errors = job["errors"]?.arrayValue ?? []
    for error in errors {
      let line = "\(file): \(error.stringValue ?? "")\n"
      FileHandle.standardError.write(Data(line.utf8))
    }
    let skipped = job["skipped"]?.intValue ?? 0
    let rest = skipped > 0 ? ", \(skipped) left out" : ""
    let done = job["done"]?.intValue ?? 0
    print("\(file): \(done) imported\(rest)")
    if done == 0, skipped == 0, !errors.isEmpty {
      throw StartError("\(file) holds no message that could be read.")
    }
  }
}

extension ServiceClient {
  /// Runs `body`; what the service refused, and what broke, become the command's last words.
  static func inWords<R>(_ body: () async throws -> R) async throws -> R {
    do {
      return try await body()
    } catch let error as Refusal {
      throw StartError(error.detail)
    } catch let error as Interruption {
      throw StartError(error.reason)
    }
  }
}
