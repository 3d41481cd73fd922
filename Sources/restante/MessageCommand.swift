import ArgumentParser
import Bytes
import Foundation
import MIME

struct MessageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "message",
    abstract: "Works on message files.",
    subcommands: [Parse.self]
  )

  struct Parse: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Prints a message (RFC 5322) as the API's JSON."
    )

    @Argument(help: "The file; - reads standard input.")
    var file: String

    func run() throws {
      let data =
        file == "-"
        ? FileHandle.standardInput.readDataToEndOfFile()
        : try contents(of: file)
      let json = MessageJSON.encode(MessageParser.parse([UInt8](data)))
      FileHandle.standardOutput.write(Data(json + [0x0A]))
    }

    private func contents(of file: String) throws -> Data {
      guard let data = FileManager.default.contents(atPath: file) else {
        throw StartError("\(file) cannot be read.")
      }
      return data
    }
  }
}
