import Bytes
import Foundation
import TestSupport
import Testing

/// The commands that end by themselves.
@Suite("restante, the command line", .timeLimit(.minutes(6))) struct CommandLineTests {
  @Test func `version prints the name and the version`() async throws {
    let result = try await Program.run(["version"])
    #expect(result.status == 0)
    #expect(result.output.wholeMatch(of: /restante [0-9]+\.[0-9]+\.[0-9]+\n/) != nil)
  }

  @Test(arguments: [
    (#"{ "listn": "127.0.0.1:1" }"#, "there is no setting called listn"),
    (#"{ "listen": 1 }"#, "listen must be a string"),
    (#"{ "listen": "somewhere" }"#, "somewhere is no address"),
    (#"{ "pollSeconds": 0 }"#, "pollSeconds must be a positive number"),
    (#"{ "loginsAtOnce": 0 }"#, "loginsAtOnce must be a positive number"),
    (#"{ "connectionsPerHost": "x" }"#, "connectionsPerHost must be a positive number"),
    (#"{ "allowNetwork": ["10.0.0.0/8", 1] }"#, "allowNetwork must be an array of networks"),
    (#"{ "allowNetwork": ["10.0.0.0/99"] }"#, "10.0.0.0/99 is no network"),
    ("[]", "must hold a JSON object"),
    ("{ listen }", "is not JSON"),
  ])
  func `a configuration file with a fault stops the start and names it`(
    text: String,
    reason: String
  ) async throws {
    let directory = try TemporaryDirectory("config")
    let file = try directory.write(text, to: "config.json")
    let data = directory.file("data")
    let result = try await Program.run(["serve", "--config", file, "--data", data])
    #expect(result.status != 0)
    #expect(result.output.contains(reason))
    #expect(!FileManager.default.fileExists(atPath: data), "nothing is made before it is known how")
  }

  @Test func `message parse prints a message as the API's JSON`() async throws {
    let raw = """
      From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>\r
      Subject: Plans\r
      Date: Fri, 21 Nov 1997 09:55:06 -0600\r
      Content-Type: multipart/mixed; boundary=b\r
      \r
      --b\r
      \r
      See the file.\r
      --b\r
      Content-Type: application/pdf; name=plan.pdf\r
      Content-Disposition: attachment\r
      \r
      %PDF\r
      --b--\r

      """
    let directory = try TemporaryDirectory("message")
    let file = try directory.write(raw, to: "mail.eml")
    let result = try await Program.run(["message", "parse", file])
    #expect(result.status == 0)
    let json = try JSONReader.parse([UInt8](result.output.utf8).span)
    #expect(json["subject"] == .string("Plans"))
    #expect(json["from"]?.arrayValue?.first?["name"] == .string("Jörg"))
    #expect(json["sentAt"] == .string("1997-11-21T15:55:06Z"))
    #expect(json["hasAttachment"] == .bool(true))
    #expect(json["attachments"]?.arrayValue?.first?["name"] == .string("plan.pdf"))
    #expect(json["preview"] == .string("See the file."))
    #expect(json["defects"] == .array([]))
    // The same from standard input.
    let piped = try await Program.run(["message", "parse", "-"], input: [UInt8](raw.utf8))
    #expect(piped.output == result.output)
  }

  @Test func `message parse says which file is not there`() async throws {
    let result = try await Program.run(["message", "parse", "/nowhere/mail.eml"])
    #expect(result.status != 0)
    #expect(result.output == "Error: /nowhere/mail.eml: No such file or directory\n")
  }

  @Test func `tokens are made, listed without their text, and revoked, in an own PostgreSQL`()
    async throws
  {
    let directory = try TemporaryDirectory("tokens")
    try PrivatePostgres.watch(directory, clusterAt: "data/postgres/cluster")
    let data = ["--data", directory.file("data")]
    let made = try await Program.run(
      ["token", "create", "--name", "reader", "--scope", "read"] + data
    )
    #expect(made.status == 0)
    let text = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
    #expect(text.hasPrefix("rst_"))

    let listed = try await Program.run(["token", "list"] + data).output
    #expect(!listed.contains(text))
    let line = try #require(listed.split(separator: "\n").first { $0.hasSuffix("reader") })
    #expect(line.contains("  read  "))
    let id = try #require(line.split(separator: " ").first.map(String.init))

    let revoked = try await Program.run(["token", "revoke", id] + data)
    #expect(revoked.status == 0)
    #expect(try await Program.run(["token", "list"] + data).output.contains("\(id)  revoked"))

    let unknown = try await Program.run(["token", "revoke", "tok_0000000000000"] + data)
    #expect(unknown.status != 0)
    let stopped = directory.file("data/postgres/cluster/postmaster.pid")
    #expect(!FileManager.default.fileExists(atPath: stopped), "no command leaves PostgreSQL behind")
  }

  @Test func `a folder without data is told, and not filled`() async throws {
    let directory = try TemporaryDirectory("typo")
    let result = try await Program.run(["token", "list", "--data", directory.file("dta")])
    #expect(result.status != 0)
    #expect(result.output.contains("holds no data of a service"))
    #expect(!FileManager.default.fileExists(atPath: directory.file("dta")))
  }

  @Test func `authorities that cannot be read are told before anything is made`() async throws {
    let directory = try TemporaryDirectory("authorities")
    let data = directory.file("data")
    let result = try await Program.run(["serve", "--ca-file", "/nowhere.pem", "--data", data])
    #expect(result.status != 0)
    #expect(result.output.contains("/nowhere.pem"))
    #expect(!FileManager.default.fileExists(atPath: data))
  }

  @Test func `a scope that there is not is refused before anything is made`() async throws {
    let directory = try TemporaryDirectory("scope")
    let data = directory.file("data")
    let result = try await Program.run(["token", "create", "--scope", "root", "--data", data])
    #expect(result.status != 0)
    #expect(result.output.contains("root is no scope"))
    #expect(!FileManager.default.fileExists(atPath: data))
  }

  @Test func `migrate brings a database up to date once`() async throws {
    let directory = try TemporaryDirectory("migrate")
    let environment = ["DATABASE_URL": try await PrivatePostgres.shared.database()]
    let command = ["migrate", "--data", directory.file("data")]
    let first = try await Program.run(command, environment: environment)
    #expect(first.status == 0)
    #expect(first.output.hasPrefix("Applied: [1"))
    let second = try await Program.run(command, environment: environment)
    #expect(second.output == "The schema is up to date.\n")
  }
}
